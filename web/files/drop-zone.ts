// Lets files and directories be dropped on an element.

import type { Incoming } from './transfer.ts';
import { readDropped } from './transfer.ts';

export interface DropZone {
  /** The directory that a drop at `target` goes to. */
  directoryAt(target: EventTarget | null): string;
  onDrop(incoming: Promise<Incoming[]>, directory: string): void;
}

export function installDropZone(element: HTMLElement, zone: DropZone): void {
  const mark = (directory: string | null): void => {
    if (directory === null) delete element.dataset['drop'];
    else element.dataset['drop'] = `Drop into ${directory}`;
  };
  element.addEventListener('dragover', (event) => {
    if (event.dataTransfer?.types.includes('Files') !== true) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    mark(zone.directoryAt(event.target));
  });
  element.addEventListener('dragleave', (event) => {
    if (!(event.relatedTarget instanceof Node) || !element.contains(event.relatedTarget))
      mark(null);
  });
  element.addEventListener('drop', (event) => {
    mark(null);
    if (event.dataTransfer === null) return;
    event.preventDefault();
    zone.onDrop(readDropped(event.dataTransfer), zone.directoryAt(event.target));
  });
}
