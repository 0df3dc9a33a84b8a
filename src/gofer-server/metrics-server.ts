// MetricsServer: GET /metrics, for this machine only. Whoever wants it elsewhere has a proxy.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listen } from './listen.ts';
import type { GoferLog } from './log.ts';
import type { GoferMetrics } from './metrics.ts';
import { TEXT_HEADERS } from './refusal.ts';

const HOST = '127.0.0.1';
const METRICS_PATH = '/metrics';

export interface MetricsServerOptions {
  /** 0: any that is free. */
  readonly port: number;
  readonly metrics: GoferMetrics;
  readonly log: GoferLog;
}

export class MetricsServer {
  readonly port: number;
  readonly #http: Server;

  private constructor(http: Server, port: number) {
    this.#http = http;
    this.port = port;
  }

  /** Errors: ListenError. */
  static async open({ port, metrics, log }: MetricsServerOptions): Promise<MetricsServer> {
    const http = createServer((request, response) => {
      answer(request, response, metrics).catch((error: unknown) => {
        log.error({ err: error }, 'metrics can not be told');
        response.destroy();
      });
    });
    return new MetricsServer(http, await listen(http, { host: HOST, port }));
  }

  get url(): string {
    return `http://${HOST}:${this.port}${METRICS_PATH}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#http, 'close');
    this.#http.close();
    this.#http.closeAllConnections();
    await closed;
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  metrics: GoferMetrics,
): Promise<void> {
  if (request.url !== METRICS_PATH) {
    response.writeHead(404, TEXT_HEADERS).end(`metrics are at ${METRICS_PATH}\n`);
  } else if (request.method !== 'GET') {
    response.writeHead(405, { ...TEXT_HEADERS, Allow: 'GET' }).end('only GET\n');
  } else {
    const text = await metrics.print();
    response.writeHead(200, { ...TEXT_HEADERS, 'Content-Type': metrics.contentType }).end(text);
  }
}
