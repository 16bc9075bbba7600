// Looks at processes through /proc, to end exactly the ones that a Dovecot instance started.

import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** The processes with this parent and this command name. */
export async function childrenOf(parent: number, name: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const children = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const match = /^\d+ \((.*)\) \S (\d+) /s.exec(stat);
      return match?.[1] === name && Number(match[2]) === parent ? Number(pid) : undefined;
    }),
  );
  return children.filter((pid) => pid !== undefined);
}

/** Kills processes and waits until they are gone (a zombie counts as gone). */
export async function killAndWait(pids: readonly number[]): Promise<void> {
  for (const pid of pids) signal(pid, 'SIGKILL');
  await pollUntil(
    async () => (await Promise.all(pids.map(isRunning))).every((running) => !running),
    'killed processes to end',
  );
}

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

/** For things outside this process that send no event. */
export async function pollUntil(
  check: () => Promise<boolean>,
  what: string,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > deadline)
      throw new Error(`after ${String(timeoutMs)} ms still waiting for ${what}`);
    await delay(20);
  }
}

async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}
