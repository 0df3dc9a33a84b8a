// Opens kernel-page.html: a page with burrowfs and nothing else, where a spec boots its own
// kernels.

import type { Page, TestInfo, Worker } from 'playwright/test';
import { ROOT } from '../../../.tools/setup.mjs';
import type { Isolation } from '../../../src/index.ts';
import type { Outcome, StartOptions } from './in-page.ts';

const ADDRESS = `/@fs${ROOT}test/browser/support/kernel-page.html`;

/** Goes to the page; again, if it is there already. */
export async function openKernelPage(page: Page): Promise<void> {
  await page.goto(ADDRESS);
  await page.waitForFunction(() => 'inPage' in globalThis);
}

/** Goes to the page and boots its kernel on `source`. */
export async function startKernel(
  page: Page,
  source = 'spec',
  options: StartOptions = {},
): Promise<void> {
  await openKernelPage(page);
  await page.evaluate(
    async ([name, rest]) => {
      await inPage.start(name, rest);
    },
    [source, options] as const,
  );
}

/** How programs run by default on the pages of a project. */
export function isolationOf({ project }: TestInfo): Isolation {
  return project.name === 'isolated' ? 'worker' : 'inline';
}

/** The worker of the kernel that was booted last. */
export function kernelWorkerOf(page: Page): Worker {
  const worker = page.workers().findLast((each) => each.url().includes('kernel.worker'));
  if (worker === undefined) throw new Error('there is no kernel on the page');
  return worker;
}

/** The outcome of a program that did what it should and printed this. */
export function printed(stdout: string): Outcome {
  return { code: 0, signal: null, error: null, stdout, stderr: '' };
}
