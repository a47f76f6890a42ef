// A program for the graphics card, from the text of its two shaders.

/**
 * @param {WebGL2RenderingContext} gl @param {string} vertex @param {string} fragment @param {string} whose what it draws, for the message where they do not link
 */
export function linked(gl, vertex, fragment, whose) {
  const program = gl.createProgram();
  for (const [kind, source] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(`The ${whose}'s shaders do not link.`);
  return program;
}
