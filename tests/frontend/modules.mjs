// The language mode's own sources, without the rest of the extension: TypeScript taken away, run under node.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const HERE = import.meta.dirname;
const SOURCES = path.join(HERE, '../../labextension/src/language');

export async function languageModules() {
  const made = path.join(HERE, 'node_modules/.cache/execmem', String(process.pid)); // beside the packages they import
  fs.mkdirSync(made, { recursive: true });
  try {
    for (const name of fs.readdirSync(SOURCES)) {
      const text = fs.readFileSync(path.join(SOURCES, name), 'utf8');
      if (name.endsWith('.json')) {
        fs.writeFileSync(path.join(made, name.replace('.json', '.mjs')), `export default ${text};\n`);
      } else {
        const { outputText } = ts.transpileModule(text, {
          compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
        });
        const linked = outputText.replace(/from '(\.\/[\w]+)(?:\.json)?'/g, "from '$1.mjs'");
        fs.writeFileSync(path.join(made, name.replace('.ts', '.mjs')), linked);
      }
    }
    const load = name => import(pathToFileURL(path.join(made, `${name}.mjs`)).href);
    return { cell: await load('cell'), mode: await load('mode'), tokens: await load('tokens') };
  } finally {
    fs.rmSync(made, { recursive: true });
  }
}
