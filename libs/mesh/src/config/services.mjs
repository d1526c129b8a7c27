/**
 * The services of a mesh, and the port each listens on unless told. Plain JavaScript: the image's entry point and build
 * read it before anything can read TypeScript.
 */
export const defaultPorts = Object.freeze({
  coordinator: 50550,
  calibration: 50551,
  compression: 50552,
  training: 50553,
  correction: 50554,
  inference: 50555,
});

export const serviceNames = Object.freeze(Object.keys(defaultPorts));
