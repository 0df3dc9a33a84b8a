// A bar between two panes that is dragged, or moved with the arrow keys, to resize the first one.

export interface SplitterOptions {
  readonly axis: 'horizontal' | 'vertical';
  /** The custom property of CSS that holds the size in pixels. */
  readonly property: string;
  /** Size of the first pane as it is now. */
  measure(): number;
  /** Largest size it may get. */
  limit(): number;
}

const MIN_SIZE = 120;
const KEY_STEP = 24;

export function installSplitter(bar: HTMLElement, options: SplitterOptions): void {
  const isHorizontal = options.axis === 'horizontal';
  const resize = (size: number): void => {
    const bounded = Math.max(MIN_SIZE, Math.min(size, options.limit()));
    document.documentElement.style.setProperty(options.property, `${String(bounded)}px`);
    bar.setAttribute('aria-valuenow', String(Math.round(bounded)));
  };
  bar.addEventListener('pointerdown', (event) => {
    const start = (isHorizontal ? event.clientX : event.clientY) - options.measure();
    bar.setPointerCapture(event.pointerId);
    const onMove = (move: PointerEvent): void => {
      resize((isHorizontal ? move.clientX : move.clientY) - start);
    };
    bar.addEventListener('pointermove', onMove);
    const onEnd = (): void => {
      bar.removeEventListener('pointermove', onMove);
    };
    bar.addEventListener('lostpointercapture', onEnd, { once: true });
    event.preventDefault();
  });
  bar.addEventListener('keydown', (event) => {
    const [less, more] = isHorizontal ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
    if (event.key !== less && event.key !== more) return;
    resize(options.measure() + (event.key === more ? KEY_STEP : -KEY_STEP));
    event.preventDefault();
  });
}
