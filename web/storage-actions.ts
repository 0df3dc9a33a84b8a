// What the status bar does with the whole filesystem: checks it, and saves an image of it.

import type { Kernel } from '../src/index.ts';
import { describeError } from './shell/errors.ts';
import type { StatusBar } from './status-bar.ts';
import { ask } from './ui/dialogs.ts';
import { byId, make } from './ui/dom.ts';
import { describeCheck } from './ui/status-text.ts';

/** So many problems are shown; the console has all. */
const PROBLEMS_SHOWN = 20;

export function installStorageActions(kernel: Kernel, status: StatusBar): void {
  const onClick = (id: string, title: string, run: () => Promise<void>): void => {
    const button = byId(id) as HTMLButtonElement;
    button.title = title;
    button.addEventListener('click', () => {
      button.disabled = true;
      run()
        .catch((error: unknown) => {
          status.say(describeError(error), 'bad');
        })
        .finally(() => {
          button.disabled = false;
        });
    });
  };
  onClick('status-check', 'Reads everything that is stored, and says what is damaged.', () =>
    check(kernel, status),
  );
  onClick('status-image', 'Saves all files as one image, which kernel.importImage() reads.', () =>
    download(kernel, status),
  );
}

async function check(kernel: Kernel, status: StatusBar): Promise<void> {
  const abort = new AbortController();
  const progress = status.startProgress('Checking', () => {
    abort.abort(new Error('The check was stopped.'));
  });
  try {
    const result = await kernel.check('/', {
      signal: abort.signal,
      onProgress: ({ bytes, total, inodes }) => {
        progress.update(inodes > 0 ? `${String(inodes)} files` : 'the store', bytes, total);
      },
    });
    const { problems } = result;
    if (problems.length === 0) {
      status.say(describeCheck(result));
      return;
    }
    console.error(problems.join('\n'));
    const more = problems.length - PROBLEMS_SHOWN;
    const text = [
      ...problems.slice(0, PROBLEMS_SHOWN),
      ...(more > 0 ? [`and ${String(more)} more, in the browser’s console`] : []),
    ].join('\n');
    await ask(describeCheck(result), text, [{ label: 'Close', value: 'close' }]);
  } finally {
    progress.end();
  }
}

async function download(kernel: Kernel, status: StatusBar): Promise<void> {
  const abort = new AbortController();
  const progress = status.startProgress('Image', () => {
    abort.abort(new Error('The image was not saved.'));
  });
  try {
    const { blocks, bfree, bsize } = await kernel.fs.statfs('/');
    const stream = kernel.exportImage('/', {
      gzip: true,
      signal: abort.signal,
      onProgress: ({ bytes }) => {
        progress.update('writing', bytes, (blocks - bfree) * bsize);
      },
    });
    const blob = await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).blob();
    const href = URL.createObjectURL(blob);
    make('a', { attributes: { href, download: 'burrow.image.gz' } }).click();
    setTimeout(() => {
      URL.revokeObjectURL(href);
    }, 60_000);
  } finally {
    progress.end();
  }
}
