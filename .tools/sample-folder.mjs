// The folder of this machine that npm start serves: what is in it when it is new.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const README = `# A folder of your machine

The page shows this folder at /remote. It is an ordinary folder of your machine, served by
\`burrowfs gofer\`: what a program in the page changes here is changed there, and the other way
round. It stays when the page is closed, and when npm start ends.

Try in the page's terminal:

    cd /remote
    cat planets.csv | sort -t, -k2 -n
    python planets.py
    echo "made in the page" > note.txt

note.txt is a file of your machine now. To see it, look into this folder:

    FOLDER

npm start makes these files only once: delete what you don't want. To work on a folder of your own:

    npm start -- --remote ~/project
`;

const PLANETS_CSV = `name,million_km,moons
Mercury,57.9,0
Venus,108.2,0
Earth,149.6,1
Mars,227.9,2
Jupiter,778.6,97
Saturn,1433.5,274
Uranus,2872.5,28
Neptune,4495.1,16
`;

const PLANETS_PY = `# Draws how far the planets are from the sun, and writes it beside the data.

import csv

WIDTH = 60

with open('planets.csv') as file:
    planets = list(csv.DictReader(file))

farthest = max(float(planet['million_km']) for planet in planets)
lines = []
for planet in planets:
    distance = float(planet['million_km'])
    bar = '#' * max(1, round(WIDTH * distance / farthest))
    lines.append(f"{planet['name']:8} {distance:8.1f}  {bar}")

print('\\n'.join(lines))
with open('planets.txt', 'w') as file:
    file.write('\\n'.join(lines) + '\\n')
`;

const HELLO_C = `// In the page: clang hello.c -o hello.wasm && ./hello.wasm
#include <stdio.h>

int main(void) {
  puts("Hello from a program that lies on your machine and runs in your browser.");
  return 0;
}
`;

/** Makes the folder, with its files, if it isn't there. What is there is left alone. */
export function ensureSampleFolder(folder) {
  if (existsSync(folder)) return;
  mkdirSync(folder, { recursive: true });
  const files = {
    'README.md': README.replace('FOLDER', folder),
    'hello.c': HELLO_C,
    'planets.csv': PLANETS_CSV,
    'planets.py': PLANETS_PY,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}
