"""How deep a tensor stands, told by its name."""

from explorer.checkpoints.layer_names import depths


def test_layers_of_a_transformer_run_from_first_to_last():
    """Whatever the order of the names: embeddings before, the last norm and the head after."""
    names = ["lm_head.weight", "model.layers.10.mlp.weight", "model.layers.2.mlp.weight", "model.embed_tokens.weight", "model.norm.weight"]
    names += [f"model.layers.{i}.attn.weight" for i in range(11)]
    found = depths(names)
    assert found["model.embed_tokens.weight"] == 0
    assert found["model.layers.2.mlp.weight"] == found["model.layers.2.attn.weight"] == 0.2
    assert found["model.layers.10.mlp.weight"] == found["model.norm.weight"] == found["lm_head.weight"] == 1


def test_stages_of_a_convolutional_network_are_one_list():
    """Blocks of the second stage follow those of the first; the stem comes before, the head after."""
    names = ["conv1.weight", "bn1.weight", "fc.weight", *(f"layer{s}.{b}.conv1.weight" for s in (1, 2, 3) for b in (0, 1))]
    found = depths(names)
    assert [found[n] for n in names] == [0, 0, 1, 0, 0.2, 0.4, 0.6, 0.8, 1]


def test_an_encoder_and_a_decoder_are_counted_each_by_itself():
    """Both run from 0 to 1."""
    names = [f"{half}.block.{i}.weight" for half in ("encoder", "decoder") for i in range(3)]
    assert list(depths(names).values()) == [0, 0.5, 1] * 2


def test_without_a_numbered_list_all_is_the_deepest():
    """There is nothing that could be told apart."""
    assert depths(["a.weight", "conv1.weight"]) == {"a.weight": 1, "conv1.weight": 1}
