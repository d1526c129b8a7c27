/** The services that the image can be, and the port each listens on unless told (the mesh's own defaults). */
export const ports = {
  coordinator: 50550,
  calibration: 50551,
  compression: 50552,
  training: 50553,
  correction: 50554,
  inference: 50555,
};
