/** A result's cells, put beside each other: each workload's figures, as multiples of one of them. */
import type { BenchEngine, BenchKind, BenchResult, BenchWorkload, MeasuredCell } from '../result.js';
import { bootstrapInterval, type Interval } from '../statistics.js';

/** Those that others are compared with, if they have a figure; else it is the first that has. */
const REFERENCES = ['kvm', 'native'];

export interface Figure {
  readonly engine: string;
  readonly cell: MeasuredCell;
  /** Its time over the reference's of the same run. */
  readonly ratio: number;
  /** What it is compared with; undefined for that itself. */
  readonly reference: MeasuredCell | undefined;
}

/** An engine without a figure, and the footnote that says why. */
export interface Gap {
  readonly engine: string;
  readonly outcome: string;
  readonly why: string;
  readonly note: number;
}

export interface Row {
  readonly workload: BenchWorkload;
  /** In the engines' order; empty where none has any. */
  readonly figures: readonly Figure[];
  /** Without those of the group. */
  readonly gaps: readonly Gap[];
}

export interface Group {
  readonly kind: BenchKind;
  readonly rows: readonly Row[];
  /** Engines that have no figure in any row, for one reason. */
  readonly gaps: readonly Gap[];
}

export interface Figures {
  readonly groups: readonly Group[];
  /** Why there is no figure, each reason once: number i + 1 is at i. */
  readonly notes: readonly string[];
}

/** The workloads in the result's order, in groups of their kind. */
export function figuresOf({ workloads, engines }: BenchResult): Figures {
  const notes: string[] = [];
  const kinds = [...new Set(workloads.map(({ kind }) => kind))];
  const groups = kinds.map((kind): Group => {
    const rows = workloads
      .filter((workload) => workload.kind === kind)
      .map((workload) => ({
        workload,
        figures: rowFigures(engines, workload.name),
        gaps: gapsOf(engines, workload.name, notes),
      }));
    const gaps = rows.length > 1 ? gapsOfAll(rows) : [];
    const isOfRow = ({ engine }: Gap) => !gaps.some((gap) => gap.engine === engine);
    return { kind, gaps, rows: rows.map((row) => ({ ...row, gaps: row.gaps.filter(isOfRow) })) };
  });
  return { groups, notes };
}

function gapsOfAll([first, ...others]: readonly Row[]): readonly Gap[] {
  const isSame = (gap: Gap) => others.every(({ gaps }) => gaps.some(({ note }) => note === gap.note));
  return first?.gaps.filter(isSame) ?? [];
}

/** How an engine stands to another one over several workloads. */
export interface Mean {
  readonly engine: string;
  readonly reference: string;
  /** The geometric mean of its ratios. */
  readonly ratio: number;
  /** Workloads of which both have a figure: two or more. */
  readonly count: number;
}

/** Of each engine against that which is the reference in most rows, in the engines' order of the rows. */
export function meansOf({ rows }: Group): Mean[] {
  const references = rows.flatMap(({ figures }) => figures.filter((figure) => figure.reference === undefined));
  const names = references.map(({ engine }) => engine);
  const countOf = (name: string) => names.filter((other) => other === name).length;
  const [reference] = [...new Set(names)].sort((a, b) => countOf(b) - countOf(a));
  if (reference === undefined) return [];
  const own = rows.filter(({ figures }) => figures.some((one) => one.engine === reference && !one.reference));
  const engines = new Set(own.flatMap(({ figures }) => figures.map(({ engine }) => engine)));
  engines.delete(reference);
  return [...engines].flatMap((engine) => {
    const ratios = own.flatMap(({ figures }) => figures.find((one) => one.engine === engine)?.ratio ?? []);
    const sum = ratios.reduce((logs, ratio) => logs + Math.log(ratio), 0);
    const count = ratios.length;
    return count < 2 ? [] : [{ engine, reference, ratio: Math.exp(sum / count), count }];
  });
}

/** What stands for an engine in a table's row. */
export function placeOf(group: Group, row: Row, name: string): Figure | Gap | undefined {
  return [...row.figures, ...row.gaps, ...group.gaps].find(({ engine }) => engine === name);
}

function rowFigures(engines: readonly BenchEngine[], workload: string): Figure[] {
  const measured = engines.flatMap((engine) => measuredOf(engine, workload));
  const reference = referenceOf(measured.map(({ engine }) => engine));
  const against = measured.find(({ engine }) => engine === reference)?.cell;
  return measured.map(({ engine, cell }) => ({
    engine,
    cell,
    ratio: cell.median / (against ?? cell).median,
    reference: cell === against ? undefined : against,
  }));
}

function measuredOf({ name, cells }: BenchEngine, workload: string): { engine: string; cell: MeasuredCell }[] {
  const cell = cells[workload];
  return cell?.outcome === 'measured' ? [{ engine: name, cell }] : [];
}

/** @param engines those that have a figure, in the columns' order */
export function referenceOf(engines: readonly string[]): string | undefined {
  return REFERENCES.find((name) => engines.includes(name)) ?? engines[0];
}

/** The 95 % interval of how many times as long `to` takes as `from`, by the samples of both. */
export function ratioInterval(from: MeasuredCell, to: MeasuredCell): Interval {
  return bootstrapInterval([timesOf(from), timesOf(to)], ([a = Number.NaN, b = Number.NaN]) => b / a);
}

export const timesOf = ({ samples }: MeasuredCell): number[] => samples.map(({ host }) => host);

function gapsOf(engines: readonly BenchEngine[], workload: string, notes: string[]): Gap[] {
  return engines.flatMap(({ name, cells }) => {
    const cell = cells[workload];
    if (cell === undefined || cell.outcome === 'measured') return [];
    const reason = `${name}: ${cell.outcome}: ${cell.why}`;
    if (!notes.includes(reason)) notes.push(reason);
    return [{ engine: name, outcome: cell.outcome, why: cell.why, note: notes.indexOf(reason) + 1 }];
  });
}
