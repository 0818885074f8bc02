// Parts of images and boxes on a canvas; boxes are in pixels of the whole image.

const COLOURS = { high: "#ff7a1a", medium: "#ffc02e", low: "#9fb4c4", own: "#4fd1ff", chosen: "#ffffff" };

const parse = (text) => (text ? text.split(";").map((box) => box.split(",").map(Number)) : []);
const format = (boxes) => boxes.map((box) => box.map(Math.round).join(",")).join(";");
const inside = ([x, y], [x0, y0, x1, y1]) => x >= x0 && x < x1 && y >= y0 && y < y1;

// Level and width are applied here, to the values of the image: no round trip.
function pixels(part, low, high) {
  const image = new ImageData(part.width, part.height);
  const view = part.buffers[0];
  const bytes = view.buffer ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : view;
  const values = part.colour ? new Uint8Array(bytes) : new Int16Array(bytes);
  const scale = 255 / Math.max(1, high - low);
  for (let pixel = 0; pixel < part.width * part.height; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const shade = (values[part.colour ? 3 * pixel + channel : pixel] - low) * scale;
      image.data[4 * pixel + channel] = part.invert ? 255 - shade : shade;
    }
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}

function strokeBox(context, part, [x0, y0, x1, y1], colour, dashed) {
  const line = Math.max(1.5, part.width / 450);
  context.setLineDash(dashed ? [4 * line, 3 * line] : []);
  [context.strokeStyle, context.lineWidth] = [colour, line];
  context.strokeRect(
    (x0 - part.x0) / part.step,
    (y0 - part.y0) / part.step,
    (x1 - x0) / part.step,
    (y1 - y0) / part.step,
  );
}
