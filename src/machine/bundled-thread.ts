/** A vCPU thread as it is started: `vcpu-thread.ts`, bundled. */
import { requireBundle } from '../code-cache.js';

requireBundle('./vcpu-loop.cjs', import.meta.url);
