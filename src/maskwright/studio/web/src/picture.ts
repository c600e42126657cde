// The picture of an image: tiles at several levels, each with half the rows and columns of the one before.

export const PICTURE_PX = 512;

/** What has to be known of an image to show its picture. */
export interface Picture { id: number; size_HW: [number, number]; levels: number }

let values = "";

/** The query for channels and values that are chosen; "" as the server chooses. */
export const shownValues = () => values;

/** Ask for these channels and values from now on. */
export function showValues(query: string): void { values = query; }

export const pictureUrl = (id: number, level: number, column: number, row: number, query = values) =>
  `api/items/${id}/picture/${level}/${column}/${row}${query}`;
