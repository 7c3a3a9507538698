import type { Engine, Launch, Start } from './engine.js';

export interface LaunchLimits {
  readonly signal: AbortSignal;
  /** A whole number: it is ended when it has taken so long. */
  readonly limitMs: number;
}

export interface LimitedLaunch extends Launch {
  readonly isTimedOut: boolean;
}

/** Starts an engine, and ends it where it takes too long. @throws the reason of `signal`, where it is aborted */
export async function launchWithin(
  engine: Engine,
  start: Start,
  { signal, limitMs }: LaunchLimits,
): Promise<LimitedLaunch> {
  signal.throwIfAborted();
  const timeout = AbortSignal.timeout(limitMs);
  const launched = await engine.launch(start, AbortSignal.any([signal, timeout]));
  signal.throwIfAborted();
  if (!timeout.aborted || launched.failure === undefined) return { ...launched, isTimedOut: false };
  return { ...launched, isTimedOut: true, failure: `had not ended after ${limitMs / 1000} s` };
}
