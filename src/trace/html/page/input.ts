/** What a hand does on the chart, in fractions of its width: for the mouse, the wheel and fingers alike. */
export interface Gestures {
  /** @param factor below 1 to see more detail @param at where, from 0 to 1 */
  zoom(factor: number, at: number): void;
  /** @param share of the view, above 0 towards later */
  pan(share: number): void;
  /** Positions in CSS pixels from the chart's corner. */
  click(x: number, y: number): void;
  /** Whether there is nothing to zoom out of: the wheel is then the page's. */
  isWhole(): boolean;
}

/** Movement below this many CSS pixels is a click. */
const CLICK_REACH = 5;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Listens to wheel and pointers of an element for as long as the page lives. */
export function listen(element: HTMLElement, gestures: Gestures): void {
  const pointers = new Map<number, Point>();
  let moved = 0;
  const widthOf = () => element.getBoundingClientRect().width;
  const pointOf = ({ clientX, clientY }: MouseEvent): Point => {
    const { left, top } = element.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  };

  element.addEventListener(
    'wheel',
    (event) => {
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      const delta = (sideways && event.deltaX !== 0 ? event.deltaX : event.deltaY) * (event.deltaMode === 1 ? 30 : 1);
      if (!sideways && delta > 0 && gestures.isWhole()) return;
      event.preventDefault();
      if (sideways) gestures.pan(delta / widthOf());
      else gestures.zoom(Math.exp(Math.max(-200, Math.min(delta, 200)) / 300), pointOf(event).x / widthOf());
    },
    { passive: false },
  );

  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    if (pointers.size === 0) moved = 0;
    pointers.set(event.pointerId, pointOf(event));
    element.setPointerCapture(event.pointerId);
  });

  element.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const now = pointOf(event);
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    pointers.set(event.pointerId, now);
    moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (other !== undefined) {
      const [wide, wideNow] = [distance(before, other), distance(now, other)];
      gestures.zoom(wide / wideNow, (now.x + other.x) / 2 / widthOf());
      gestures.pan(-(now.x - before.x) / 2 / widthOf());
    } else if (moved >= CLICK_REACH) gestures.pan(-(now.x - before.x) / widthOf());
  });

  element.addEventListener('pointerup', (event) => {
    if (pointers.delete(event.pointerId) && pointers.size === 0 && moved < CLICK_REACH) {
      const { x, y } = pointOf(event);
      gestures.click(x, y);
    }
  });
  element.addEventListener('pointercancel', (event) => pointers.delete(event.pointerId));
}

/** Fingers that touch would zoom without end. */
function distance(a: Point, b: Point): number {
  return Math.max(Math.hypot(a.x - b.x, a.y - b.y), 10);
}
