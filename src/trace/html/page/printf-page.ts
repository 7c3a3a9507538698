/** The script of a printf's page: the arrow keys go from step to step, and Escape closes what is open. */

const steps = [...document.querySelectorAll<HTMLDetailsElement>('.step')];
const summaryOf = (step: HTMLDetailsElement | undefined): HTMLElement | null | undefined =>
  step?.querySelector<HTMLElement>('summary');

function go(from: number, key: string): number | undefined {
  if (key === 'ArrowDown') return from + 1;
  if (key === 'ArrowUp') return from - 1;
  if (key === 'Home') return 0;
  return key === 'End' ? steps.length - 1 : undefined;
}

document.addEventListener('keydown', (event) => {
  const at = steps.findIndex((step) => step.contains(document.activeElement));
  const step = steps[at];
  if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === 'Escape') {
    step.open = false;
    summaryOf(step)?.focus();
    return;
  }
  const next = go(at, event.key);
  if (next === undefined) return;
  event.preventDefault();
  summaryOf(steps[next])?.focus();
});

document.documentElement.dataset.ready = 'yes';
