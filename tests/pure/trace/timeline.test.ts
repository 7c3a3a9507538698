import { describe, expect, it } from 'vitest';
import { Slices } from '../../../src/trace/html/page/slices.js';
import { tickStep, View } from '../../../src/trace/html/page/view.js';

describe('a lane’s slices', () => {
  const slices = new Slices([10, 20, 40], [15, 30, 41]);

  it('are found by time', () => {
    expect([0, 10, 14, 15, 30, 41].map((time) => slices.firstEndingAfter(time))).toEqual([0, 0, 0, 1, 2, 3]);
    expect([0, 10, 11, 20, 41].map((time) => slices.firstFrom(time))).toEqual([0, 0, 1, 1, 3]);
  });

  it('cover a share of any stretch', () => {
    expect(slices.coverage(0, 100)).toBeCloseTo(16 / 100);
    expect(slices.coverage(12, 25)).toBeCloseTo((3 + 5) / 13);
    expect(slices.coverage(22, 24)).toBe(1);
    expect(slices.coverage(30, 40)).toBe(0);
    expect(slices.coverage(50, 60)).toBe(0);
  });

  it('are chosen by a click within reach', () => {
    expect([12, 16, 19, 35, 42, 60].map((time) => slices.nearest(time, 2))).toEqual([0, 0, 1, -1, 2, -1]);
    expect(slices.nearest(1000, Number.POSITIVE_INFINITY)).toBe(2);
    expect(new Slices([], []).nearest(5, Number.POSITIVE_INFINITY)).toBe(-1);
  });
});

describe('the view', () => {
  const shown = ({ from, to }: View) => [from, to];

  it('zooms around a moment and stays within the whole', () => {
    const view = new View(0, 1000);
    view.zoom(0.5, 1000);
    expect(shown(view)).toEqual([500, 1000]);
    view.zoom(0.5, 600);
    expect(shown(view)).toEqual([550, 800]);
    view.pan(-10);
    expect(shown(view)).toEqual([0, 250]);
    view.pan(0.5);
    expect(shown(view)).toEqual([125, 375]);
    view.zoom(100, 200);
    expect(view.isWhole).toBe(true);
  });

  it('never becomes shorter than can be told apart', () => {
    const view = new View(0, 1e9);
    for (let times = 0; times < 100; times++) view.zoom(0.5, 12345);
    expect(view.span).toBe(20);
    expect(view.from).toBeLessThanOrEqual(12345);
    expect(view.to).toBeGreaterThanOrEqual(12345);
  });

  it('is brought to a slice that is out of sight or too thin', () => {
    const view = new View(0, 1e6);
    view.reveal(500_000, 500_100);
    expect(shown(view)).toEqual([498_050, 502_050]);
    view.reveal(700_000, 701_000);
    expect(shown(view)).toEqual([698_500, 702_500]);
    view.reveal(699_000, 700_000);
    expect(shown(view)).toEqual([698_500, 702_500]);
  });

  it('has marks at round numbers', () => {
    expect([1000, 999, 1001, 40, 1].map((span) => tickStep(span, 10))).toEqual([100, 100, 200, 5, 0.1]);
  });
});
