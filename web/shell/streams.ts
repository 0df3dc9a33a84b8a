// Small streams of bytes: empty, of a text, joined.

/** A stream that has ended. */
export function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.close();
    },
  });
}

/** A stream that gives `text` and ends. */
export function textStream(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      if (text !== '') controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}

/** What the sources give, in the order of arrival, until all have ended. */
export function mergeStreams(
  sources: readonly ReadableStream<Uint8Array>[],
): ReadableStream<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const copyAll = async (): Promise<void> => {
    await Promise.all(sources.map((source) => copy(source, writer)));
    await writer.close();
  };
  copyAll().catch((error: unknown) => writer.abort(error).catch(() => undefined));
  return readable;
}

/** Writes what `source` gives; cancels it if nobody wants it any more. */
async function copy(
  source: ReadableStream<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<void> {
  const reader = source.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      await writer.write(value);
    }
  } catch (error) {
    await reader.cancel(error);
    throw error;
  }
}
