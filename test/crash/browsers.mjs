// Browsers to be killed: each with all its processes in a group of their own, driven from here.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { URL } from 'node:url';
import { chromium } from 'playwright';
import { CHROMIUM_FLAGS, ROOT, ensureBrowser, ensureFirefox } from '../../.tools/setup.mjs';

const PAGE = `/@fs${ROOT}test/browser/support/kernel-page.html`;

/** Nothing that asks the network for something by itself. */
const FIREFOX_PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.healthreport.uploadEnabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.server': 'data:,',
};

class Browser {
  #child;

  constructor(executable, args) {
    const stdio = ['ignore', 'ignore', 'pipe'];
    this.#child = spawn(executable, args, { detached: true, stdio });
  }

  /** Where it listens: it says so on stderr. */
  async address(pattern) {
    for await (const line of createInterface({ input: this.#child.stderr })) {
      const address = pattern.exec(line)?.[1];
      if (address === undefined) continue;
      // Nobody reads the rest, and it must not fill the pipe.
      this.#child.stderr.resume();
      return address;
    }
    throw new Error('the browser did not start');
  }

  /** Ends every process at once, with no chance to write anything. */
  async kill() {
    const hasExited = this.#child.exitCode !== null || this.#child.signalCode !== null;
    process.kill(-this.#child.pid, 'SIGKILL');
    if (!hasExited) await once(this.#child, 'exit');
  }
}

/** A page of Playwright's or Puppeteer's, once a kernel can be started in it. */
async function opened(page, address) {
  await page.goto(new URL(PAGE, address).href);
  await page.waitForFunction(() => 'inPage' in globalThis);
  return page;
}

class Chromium extends Browser {
  #driver;

  static async start(profile) {
    const args = [...CHROMIUM_FLAGS, '--headless', '--remote-debugging-port=0'];
    const started = new Chromium(await ensureBrowser(), [
      ...args,
      `--user-data-dir=${profile}`,
      'about:blank',
    ]);
    const address = await started.address(/DevTools listening on (ws:\S+)/);
    started.#driver = await chromium.connectOverCDP(address);
    return started;
  }

  async openPage(address) {
    return await opened(await this.#driver.contexts()[0].newPage(), address);
  }

  async kill() {
    await super.kill();
    await this.#driver.close().catch(() => undefined);
  }
}

/** Driven over WebDriver BiDi, which Playwright doesn't speak. */
class Firefox extends Browser {
  #driver;

  static async start(profile) {
    const preferences = Object.entries(FIREFOX_PREFERENCES).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    await writeFile(join(profile, 'user.js'), preferences.join(''));
    const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port=0'];
    const started = new Firefox(ensureFirefox(), [...args, 'about:blank']);
    const address = await started.address(/WebDriver BiDi listening on (ws:\S+)/);
    const { connect } = await import('puppeteer-core');
    started.#driver = await connect({
      browserWSEndpoint: `${address}/session`,
      protocol: 'webDriverBiDi',
    });
    return started;
  }

  async openPage(address) {
    return await opened(await this.#driver.newPage(), address);
  }

  async kill() {
    await super.kill();
    await this.#driver.disconnect().catch(() => undefined);
  }
}

const BROWSERS = { chromium: Chromium, firefox: Firefox };

/** Starts one on a profile. `name`: chromium or firefox. */
export function startBrowser(name, profile) {
  const kind = BROWSERS[name];
  if (kind === undefined) {
    throw new Error(`no browser ${name}; there are ${Object.keys(BROWSERS).join(', ')}`);
  }
  return kind.start(profile);
}
