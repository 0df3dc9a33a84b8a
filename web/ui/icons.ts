// The icons, drawn as outlines in a square of 16.

const PATHS = {
  directory: 'M1.5 12.5v-9h4l1.5 2h7.5v7z',
  file: 'M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3',
  symlink: 'M3.5 1.5h9v13h-9zM6 10.5l4-4M6.5 6.5H10V10',
  device: 'M2.5 3.5h11v7h-11zM5.5 13.5h5M8 10.5v3',
  other: 'M3.5 1.5h9v13h-9zM8 11.5v.5M6.5 6q0-1.5 1.5-1.5T9.5 6Q9.5 7 8 8v1.5',
  chevron: 'M6 4l4 4-4 4',
  'new-file': 'M3.5 1.5h6l3 3v10h-9zM8 6.5v5M5.5 9h5',
  'new-folder': 'M1.5 12.5v-9h4l1.5 2h7.5v7zM8 7v4M6 9h4',
  upload: 'M8 10.5V2.5M5 5.5l3-3 3 3M2.5 10.5v3h11v-3',
  download: 'M8 2.5v8M5 7.5l3 3 3-3M2.5 10.5v3h11v-3',
  refresh: 'M13 8a5 5 0 1 1-1.5-3.5M13 2.5v3h-3',
  more: 'M3.5 8h.1M8 8h.1M12.5 8h.1',
  close: 'M4 4l8 8M12 4l-8 8',
  save: 'M2.5 2.5h8.5l2.5 2.5v8.5h-11zM5 2.5v4h5v-4M5 13.5v-4h6v4',
  remote: 'M4 12.5a3 3 0 0 1-.5-5.9 4.5 4.5 0 0 1 8.7-.7A3.3 3.3 0 0 1 12 12.5z',
  panel: 'M1.5 2.5h13v11h-13zM6 2.5v11',
} as const;

export type IconName = keyof typeof PATHS;

const SVG = 'http://www.w3.org/2000/svg';

export function makeIcon(name: IconName): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon', `icon-${name}`);
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
