// The picture of an image: tiles at several levels, each with half the rows and columns of the one before.

export const PICTURE_PX = 512;

export const pictureUrl = (id: number, level: number, column: number, row: number) =>
  `api/items/${id}/picture/${level}/${column}/${row}`;
