// A context menu: opens at a point, is used with the mouse or the arrow keys, closes by itself.

import { make, makeButton } from './dom.ts';

export interface MenuItem {
  readonly label: string;
  readonly isDanger?: boolean;
  run(): void;
}

let close: (() => void) | null = null;

/** Shows `items` with the corner at (x, y) in the window; only one menu is open at a time. */
export function showMenu(items: readonly MenuItem[], x: number, y: number): void {
  close?.();
  const focused = document.activeElement;
  const buttons = items.map((item) =>
    makeButton(
      {
        text: item.label,
        class: item.isDanger === true ? 'danger' : '',
        attributes: { role: 'menuitem', tabindex: '-1' },
      },
      () => {
        close?.();
        item.run();
      },
    ),
  );
  const menu = make('div', { class: 'menu', attributes: { role: 'menu' }, children: buttons });
  const onPointerDown = (event: PointerEvent): void => {
    if (!(event.target instanceof Node) || !menu.contains(event.target)) close?.();
  };
  close = () => {
    close = null;
    document.removeEventListener('pointerdown', onPointerDown, true);
    menu.remove();
    if (focused instanceof HTMLElement) focused.focus();
  };
  menu.addEventListener('keydown', (event) => {
    onKey(event, buttons);
  });
  document.addEventListener('pointerdown', onPointerDown, true);
  document.body.append(menu);
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${String(Math.max(0, Math.min(x, window.innerWidth - width - 4)))}px`;
  menu.style.top = `${String(Math.max(0, Math.min(y, window.innerHeight - height - 4)))}px`;
  buttons[0]?.focus();
}

function onKey(event: KeyboardEvent, buttons: readonly HTMLButtonElement[]): void {
  const index = buttons.findIndex((button) => button === document.activeElement);
  const last = buttons.length - 1;
  const targets: Readonly<Record<string, number>> = {
    ArrowDown: index >= last ? 0 : index + 1,
    ArrowUp: index <= 0 ? last : index - 1,
    Home: 0,
    End: last,
  };
  const target = targets[event.key];
  if (target !== undefined) buttons[target]?.focus();
  else if (event.key === 'Escape' || event.key === 'Tab') close?.();
  else return;
  event.preventDefault();
}
