// What others do, as the server tells it.

import { client } from "./api";

/** Between two tries to reach the server. */
export const AGAIN_MS = 3000;

/**
 * Hear all messages from now on. `began` is told each time that the stream begins, and whether it
 * was cut before: messages in between are lost then.
 */
export function listen<News>(heard: (news: News) => void, began: (wasCut: boolean) => void, wasCut = false): void {
  const source = new EventSource(`api/events?client=${client}`);
  source.onmessage = ({ data }) => heard(JSON.parse(data) as News);
  source.onopen = () => {
    began(wasCut);
    wasCut = true;
  };
  source.onerror = () => {
    // After an answer that refuses, as of a proxy whose server starts again, a browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(heard, began, wasCut), AGAIN_MS);
  };
}
