import type { BenchEngine, BenchResult } from '../result.js';

/** Puts what two hosts of one kind have measured beside each other: a column that one has not, is the other's. */
export function mergeColumns(first: BenchResult, second: BenchResult): BenchResult {
  const engines = first.engines.map((engine) =>
    isMissing(engine) ? (second.engines.find(({ name }) => name === engine.name) ?? engine) : engine,
  );
  return {
    ...first,
    engines,
    rounds: Math.min(first.rounds, second.rounds),
    budgetS: first.budgetS + second.budgetS,
    elapsedS: first.elapsedS + second.elapsedS,
  };
}

const isMissing = ({ cells }: BenchEngine): boolean =>
  Object.values(cells).every(({ outcome }) => outcome === 'missing');
