// Loaded into the proxy: SIGUSR2 collects its garbage, so that its heap can be compared (needs --expose-gc).

import process from 'node:process';

process.on('SIGUSR2', () => globalThis.gc?.());
