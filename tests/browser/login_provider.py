"""A login provider of the tests' own: whoever is said to be there logs in."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "explorer", "not-for-everybody"


@dataclass
class Provider:
    """OpenID Connect Core 1.0, section 3.1, for one client: whoever stands in `visitor` logs in at once, without being asked."""

    visitor: dict[str, object] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "only", "use": "sig", "alg": "RS256"}))
    url: str = ""
    asked: dict[str, dict[str, str]] = field(default_factory=dict)  # code → what was asked for it

    def discovery(self) -> dict[str, object]:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys", "end_session_endpoint": "leave"}
        return {
            "issuer": self.url,
            **{name: f"{self.url}/{path}" for name, path in ends.items()},
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Straight back, with a code."""
        assert query["client_id"] == CLIENT and query["response_type"] == "code" and "openid" in query["scope"].split()
        code = uuid4().hex
        self.asked[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, object]:
        """A code's tokens, once, for the client that asked for it."""
        assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == f"{CLIENT}:{SECRET}"
        asked = self.asked.pop(form["code"])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        assert challenge == asked["code_challenge"] and form["redirect_uri"] == asked["redirect_uri"]
        now = int(time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 600, "nonce": asked["nonce"], **self.visitor}
        signed = jwt.encode({"alg": "RS256", "kid": "only"}, claims, self.key)
        return {"access_token": uuid4().hex, "token_type": "Bearer", "expires_in": 600, "id_token": signed}


def answering(provider):
    """Its pages."""

    class Answer(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            match urlsplit(self.path).path:
                case "/.well-known/openid-configuration":
                    self.tell(provider.discovery())
                case "/keys":
                    self.tell({"keys": [provider.key.as_dict(private=False)]})
                case "/authorize":
                    self.send(provider.authorize(query))
                case "/leave":
                    provider.visitor = {}
                    self.send(query["post_logout_redirect_uri"])
                case _:
                    self.send_error(404)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.tell(provider.token({k: v[0] for k, v in parse_qs(body).items()}, self.headers["Authorization"]))

        def tell(self, what):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(what).encode())

        def send(self, where):
            self.send_response(302)
            self.send_header("Location", where)
            self.end_headers()

    return Answer


@contextmanager
def provider() -> Iterator[Provider]:
    """On a loopback port."""
    known = Provider()
    with ThreadingHTTPServer(("127.0.0.1", 0), answering(known)) as server:
        known.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield known
        server.shutdown()


def write_secrets(file: Path, known: Provider, url: str) -> None:
    """Streamlit's [auth] for an app that browsers reach at this address."""
    auth = {
        "redirect_uri": f"{url}/oauth2callback",
        "cookie_secret": "0123456789abcdef0123456789abcdef",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "server_metadata_url": f"{known.url}/.well-known/openid-configuration",
    }
    file.write_text("[auth]\n" + "".join(f'{key} = "{value}"\n' for key, value in auth.items()))
