// Carries a Dockerfile out with plain commands, in folders instead of images: as much of it as ours uses, and no more.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';

/** What `docker inspect` would show of the image, and where its files are. */
export interface BuiltImage {
  /** The folder that stands for `/`. */
  readonly root: string;
  readonly workdir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
  readonly ports: readonly string[];
  readonly stopSignal: string;
  readonly healthcheck: readonly string[];
  readonly entrypoint: readonly string[];
}

export interface BuildOptions {
  /** The repository. */
  readonly context: string;
  /** Where the stages' folders are made. */
  readonly folder: string;
  readonly args: Readonly<Record<string, string>>;
  /** For the RUN steps, under what the Dockerfile sets. */
  readonly environment: Readonly<Record<string, string>>;
}

type Stage = { -readonly [Key in keyof BuiltImage]: BuiltImage[Key] } & {
  args: Record<string, string>;
  environment: Record<string, string>;
  labels: Record<string, string>;
};

/**
 * Builds all stages, and returns the last one.
 *
 * @throws Error for a step that fails, and for an instruction that is not known here
 */
export function buildImage(options: BuildOptions): BuiltImage {
  const stages = new Map<string, Stage>();
  let last: Stage | undefined;
  for (const [keyword, text] of instructionsOf(readFileSync(join(options.context, 'Dockerfile'), 'utf8'))) {
    if (keyword === 'FROM') {
      const name = / AS (\S+)$/i.exec(text)?.[1] ?? 'final';
      last = newStage(join(options.folder, name));
      stages.set(name, last);
    } else if (last === undefined) throw new Error(`${keyword} before FROM`);
    else carryOut(keyword, text, last, stages, options);
  }
  if (last === undefined) throw new Error('no FROM');
  return last;
}

/** Whether a path of the repository is sent to the builder: the last line of .dockerignore that matches counts. */
export function isInContext(context: string, path: string): boolean {
  let isIgnored = false;
  for (const line of readFileSync(join(context, '.dockerignore'), 'utf8').split('\n')) {
    const pattern = line.trim().replace(/^!/, '');
    if (pattern === '' || pattern.startsWith('#')) continue;
    if (pattern === '*' || path === pattern || path.startsWith(`${pattern}/`))
      isIgnored = !line.startsWith('!');
  }
  return !isIgnored;
}

function newStage(root: string): Stage {
  mkdirSync(root);
  const empty = { ports: [], healthcheck: [], entrypoint: [], args: {}, environment: {}, labels: {} };
  return { root, workdir: '/', user: 'root', stopSignal: 'SIGTERM', ...empty };
}

/** Keyword and the rest, with comments gone and continued lines joined. */
function instructionsOf(text: string): [keyword: string, rest: string][] {
  return text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const at = line.indexOf(' ');
      return [line.slice(0, at), line.slice(at + 1).trim()];
    });
}

function carryOut(
  keyword: string,
  text: string,
  stage: Stage,
  stages: ReadonlyMap<string, Stage>,
  options: BuildOptions,
): void {
  switch (keyword) {
    case 'WORKDIR':
      stage.workdir = text;
      mkdirSync(join(stage.root, text), { recursive: true });
      break;
    case 'ARG': {
      const [name = '', byDefault = ''] = text.split('=');
      stage.args[name] = options.args[name] ?? byDefault;
      break;
    }
    case 'ENV':
      Object.assign(stage.environment, pairs(text, stage));
      break;
    case 'LABEL':
      Object.assign(stage.labels, pairs(text, stage));
      break;
    case 'COPY':
      copy(text, stage, stages, options.context);
      break;
    case 'RUN':
      runStep(text, stage, options.environment);
      break;
    case 'USER':
      stage.user = text;
      break;
    case 'EXPOSE':
      stage.ports = text.split(' ');
      break;
    case 'STOPSIGNAL':
      stage.stopSignal = text;
      break;
    case 'HEALTHCHECK':
      stage.healthcheck = JSON.parse(text.slice(text.indexOf('['))) as string[];
      break;
    case 'ENTRYPOINT':
      stage.entrypoint = JSON.parse(text) as string[];
      break;
    default:
      throw new Error(`the Dockerfile has ${keyword}, which this test does not know`);
  }
}

function pairs(text: string, { args }: Stage): Record<string, string> {
  const found = [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)].map(([, key = '', quoted, bare]) => [
    key,
    (quoted ?? bare ?? '').replace(/\$(\w+)/g, (_all, name: string) => args[name] ?? ''),
  ]);
  return Object.fromEntries(found) as Record<string, string>;
}

function copy(text: string, stage: Stage, stages: ReadonlyMap<string, Stage>, context: string): void {
  const from = /^--from=(\S+) /.exec(text)?.[1];
  const paths = text.replace(/^--from=\S+ /, '').split(' ');
  const target = paths.pop() ?? '';
  const source = from === undefined ? context : stages.get(from)?.root;
  if (source === undefined) throw new Error(`COPY from ${String(from)}, which was not built`);
  for (const path of paths) {
    const to = join(stage.root, stage.workdir, target, target.endsWith('/') ? basename(path) : '');
    const isSent = (file: string): boolean => {
      const inside = relative(context, file).split(sep).join('/');
      return from !== undefined || isInContext(context, inside);
    };
    if (!isSent(join(source, path))) throw new Error(`COPY ${path}: .dockerignore keeps it from the builder`);
    cpSync(join(source, path), to, { recursive: true, filter: isSent, verbatimSymlinks: true });
  }
}

function runStep(command: string, stage: Stage, environment: Readonly<Record<string, string>>): void {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
    cwd: join(stage.root, stage.workdir),
    env: { ...environment, ...stage.args, ...stage.environment },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`RUN ${command}: exit code ${String(status)}\n${stdout}${stderr}`);
}
