/** The camera: what it sees in a dialog, with a button that takes the photo. */

import { find } from "./shown.js";

/** Return whether there is a camera that the page may ask for. */
export async function hasCamera() {
  const devices = await navigator.mediaDevices?.enumerateDevices().catch(() => []); // not by http
  return Boolean(devices?.some(({ kind }) => kind === "videoinput"));
}

/** Return the photo that is taken as a file; nothing if the dialog is closed. */
export async function takePhoto() {
  const dialog = find("viewfinder");
  const video = find("video");
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 1280 } },
  });
  try {
    video.srcObject = stream;
    dialog.returnValue = "";
    dialog.showModal();
    // Each that was asked for ends by it, if the button was pressed twice before the browser asked.
    await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
    if (dialog.returnValue !== "take" || !video.videoWidth) return undefined;
    return await pictureOf(video);
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}

/** Return what the camera sees as a file without loss. */
async function pictureOf(video) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((made) => canvas.toBlob(made, "image/png"));
  return new File([blob], "photo.png", { type: "image/png" });
}
