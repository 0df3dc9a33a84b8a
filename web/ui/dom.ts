// Makes elements.

export interface ElementOptions {
  readonly class?: string;
  readonly text?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly children?: readonly Node[];
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  options: ElementOptions = {},
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (options.class !== undefined) element.className = options.class;
  if (options.text !== undefined) element.textContent = options.text;
  for (const [name, value] of Object.entries(options.attributes ?? {})) {
    element.setAttribute(name, value);
  }
  element.append(...(options.children ?? []));
  return element;
}

/** A button; `label` is for those who don't see what is drawn in it. */
export function makeButton(
  options: ElementOptions & { readonly label?: string },
  onClick: (event: MouseEvent) => void,
): HTMLButtonElement {
  const button = make('button', options);
  button.type = 'button';
  if (options.label !== undefined) {
    button.setAttribute('aria-label', options.label);
    button.title = options.label;
  }
  button.addEventListener('click', onClick);
  return button;
}

/** The element with this id, which index.html has. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no element #${id}`);
  return element;
}
