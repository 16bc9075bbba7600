// Owns the page that is made from the metrics of a proxy that has just started.
import { startApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createLogger } from '../../src/log.ts';
import { cell, code, generatedFrom, table } from './markdown.mjs';

const PREFIX = 'imapbouncer_';

/** Labels whose values the configuration or the build decides. */
const OPEN_LABELS = {
  upstream: 'the server, `host:port` as configured',
  listener: 'the listener, without its options',
  version: 'as in package.json',
  revision: 'the commit that was built, or `unknown`',
};

/** More values than this are listed below the table. */
const MANY_VALUES = 20;

/** Known label sets are exposed from the start on, so a fresh proxy shows all that there will ever be. */
async function exposition() {
  const config = loadConfig({
    UPSTREAM_HOST: '127.0.0.1',
    UPSTREAM_PORT: '1',
    UPSTREAM_TLS: 'off',
    LISTEN: 'imap://127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    LOG_LEVEL: 'silent',
  });
  const app = await startApp({
    config,
    logger: createLogger(config.log, { write: () => true }),
    version: '0',
    revision: '0',
  });
  try {
    const response = await globalThis.fetch(`http://127.0.0.1:${app.admin.port}/metrics`);
    return await response.text();
  } finally {
    await app.stop();
  }
}

/** Name, type, help, and the values of each label, for each metric of ours; in the order of the exposition. */
function parse(text) {
  const metrics = new Map();
  for (const line of text.split('\n')) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') metrics.set(name, { help: rest, labels: new Map() });
    else if (keyword === 'TYPE') metrics.get(name).type = rest;
    else if (line !== '') addSample(metrics, line);
  }
  return [...metrics].filter(([name]) => name.startsWith(PREFIX));
}

function addSample(metrics, line) {
  const [, sample, labels = ''] = /^([^{ ]+)(?:\{(.*)\})? /.exec(line) ?? [];
  const metric = metrics.get(sample) ?? metrics.get(sample.replace(/_(?:bucket|sum|count)$/, ''));
  for (const [, label, value] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    const values = metric.labels.get(label) ?? new Set();
    metric.labels.set(label, values.add(value));
  }
}

function describeLabel(label, values) {
  if (label in OPEN_LABELS) return code(label);
  if (values.size > MANY_VALUES) return `${code(label)} (below)`;
  return `${code(label)}: ${[...values].join(', ')}`;
}

function row([name, { type, help, labels }]) {
  const plain = [...labels].filter(([label]) => label !== 'le');
  const buckets = [...(labels.get('le') ?? [])].filter((bound) => bound !== '+Inf');
  const bounds = buckets.length === 0 ? '' : ` Buckets from ${buckets.at(0)} to ${buckets.at(-1)} seconds.`;
  return [
    code(name),
    type,
    plain.map(([label, values]) => describeLabel(label, values)).join('; '),
    `${cell(help)}${bounds}`,
  ];
}

function longLists(metrics) {
  return metrics.flatMap(([name, { labels }]) =>
    [...labels]
      .filter(([label, values]) => values.size > MANY_VALUES && !(label in OPEN_LABELS) && label !== 'le')
      .map(([label, values]) => `${code(label)} of ${code(name)}: ${[...values].join(', ')}.`),
  );
}

/** docs/metrics.md */
export async function metricsPage() {
  const metrics = parse(await exposition());
  const openLabels = Object.entries(OPEN_LABELS).map(([label, meaning]) => `- ${code(label)}: ${meaning}`);
  return `${[
    generatedFrom('the metrics of src/metrics/'),
    '# Metrics',
    `\`GET /metrics\` on \`ADMIN_LISTEN\` gives them in the text format of Prometheus. No label carries a user, a mailbox or an
address of a client, and every label set is there from the start, with 0. What the system does not tell is absent.`,
    table(['metric', 'type', 'labels', 'meaning'], metrics.map(row)),
    '## Labels',
    openLabels.join('\n'),
    `These reasons are of later versions, and 0 in this one: \`max_per_source\`, \`percent_per_source\` and \`pressure\` of
\`imapbouncer_client_connections_rejected_total\`; \`paused\` of \`imapbouncer_lease_rejections_total\`; \`admin\` of
\`imapbouncer_upstream_connections_closed_total\`.`,
    ...longLists(metrics),
    '## The process',
    `Beside these there are prom-client's \`process_*\` and \`nodejs_*\`, without those that cost time at each scrape
(\`nodejs_active_handles\`, \`nodejs_active_requests\`, \`nodejs_active_resources\`); \`process_open_fds\` is counted in a cheaper way.`,
  ].join('\n\n')}\n`;
}
