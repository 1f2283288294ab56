// Instructions of queries, so that a slower kernel is noticed without a clock:
//   node tests/guard/guard.mjs --bin BUILD_BIN_DIR            compares with figures.txt; exit status 1: one rose by more than 10 %
//   node tests/guard/guard.mjs --bin BUILD_BIN_DIR --record   writes figures.txt anew
//   node tests/guard/guard.mjs --self-test                    tests the comparison with made-up figures
// The workload's generator, a cluster of one worker with one partition, and the command line make a fixed set; the cluster is taken
// down, and guard_query opens what it left and runs one query, whose instructions callgrind counts. Nothing here depends on the speed
// or the model of the processor: valgrind shows every program the same processor, with AVX2 and without AVX-512, so that ifuncs always
// choose the same clones. It depends on the compiler and the C library, which figures.txt names: with others nothing is checked.
import { queries, AS_OF } from '../../bench/queries.mjs';
import { execFileSync, spawn } from 'node:child_process';
import assert from 'node:assert';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const CONTACTS = 20000, CHOSEN = ['q03', 'q05', 'q08', 'q10'], TOLERANCE = 0.10, WRONG_PROCESSOR = 77;
const here = path.dirname(fileURLToPath(import.meta.url)), file = path.join(here, 'figures.txt');
const args = process.argv.slice(2);
const flag = (name) => args[args.indexOf('--' + name) + 1];
const has = (name) => args.includes('--' + name);
const millions = (n) => (n / 1e6).toFixed(3) + ' million';
const HOW = 'node tests/guard/guard.mjs --bin BUILD_BIN_DIR --record';

// ---- figures --------------------------------------------------------------------------------------------------------
// { built, figures: { query: instructions } } <-> lines "built TEXT" and "QUERY INSTRUCTIONS"
const print = ({ built, figures }) => `# Instructions of queries over ${CONTACTS} contacts, in the release build. Made by: ${HOW}\nbuilt ${built}\n` +
  Object.entries(figures).map(([q, n]) => `${q} ${n}\n`).join('');
function parse(text) {
  const out = { built: '', figures: {} };
  for (const line of text.split('\n').filter((l) => l && !l.startsWith('#'))) {
    const [name, ...rest] = line.split(' ');
    if (name === 'built') out.built = rest.join(' ');
    else out.figures[name] = +rest[0];
  }
  return out;
}
// What there is to say of new figures beside the recorded ones: { failed, said }.
function compare(recorded, measured) {
  const said = [];
  let failed = false;
  for (const [q, now] of Object.entries(measured)) {
    const before = recorded[q], change = now / before - 1;
    const figures = `${q}: ${millions(now)} instructions, recorded ${before > 0 ? millions(before) : 'nothing'}`;
    if (!(now <= before * (1 + TOLERANCE))) {
      failed = true;
      said.push(`${figures}${before > 0 ? `: ${(100 * change).toFixed(1)} % more, at most ${100 * TOLERANCE} % may be` : ''}. If that is meant: ${HOW}`);
    } else if (now < before * (1 - TOLERANCE)) {
      said.push(`${figures}: ${(-100 * change).toFixed(1)} % less. Record the gain, or it can be lost unnoticed: ${HOW}`);
    } else said.push(`${figures} (${change < 0 ? '' : '+'}${(100 * change).toFixed(1)} %)`);
  }
  return { failed, said };
}
function selfTest() {
  const one = (before, now) => { const r = compare({ q: before }, { q: now }); return [r.failed, r.said.join()]; };
  assert.equal(one(1000000, 1100000)[0], false);
  assert.equal(one(1000000, 1100001)[0], true);
  assert.match(one(1000000, 1200000)[1], /^q: 1\.200 million instructions, recorded 1\.000 million: 20\.0 % more, at most 10 % may be\. If that is meant: .*--record$/);
  assert.deepEqual(one(1000000, 990000), [false, 'q: 0.990 million instructions, recorded 1.000 million (-1.0 %)']);
  assert.match(one(1000000, 800000)[1], /20\.0 % less\. Record the gain/);
  assert.equal(one(1000000, 800000)[0], false);
  assert.equal(one(undefined, 5)[0], true);
  assert.equal(one(0, 5)[0], true);
  const both = compare({ a: 100, b: 100 }, { a: 120, b: 100 });
  assert.deepEqual([both.failed, both.said.length], [true, 2]);
  const all = { built: 'gcc 1.2, glibc 3.4', figures: { q03: 12, q10: 345 } };
  assert.deepEqual(parse(print(all)), all);
  const recorded = parse(fs.readFileSync(file, 'utf8'));
  assert.deepEqual(Object.keys(recorded.figures), CHOSEN);
  const slower = Object.fromEntries(CHOSEN.map((q) => [q, Math.ceil(recorded.figures[q] * 1.11)]));
  assert.equal(compare(recorded.figures, slower).said.filter((s) => s.includes('more')).length, CHOSEN.length);
  console.log('the comparison fails where it should');
}

// ---- the set --------------------------------------------------------------------------------------------------------
const freePort = () => new Promise((resolve) => { const s = net.createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); }); });
async function load(bin, dir) {
  const data = path.join(dir, 'data'), endpoint = `tcp://127.0.0.1:${await freePort()}`;
  const run = (program, ...argv) => execFileSync(path.join(bin, program), argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const reveille = (...argv) => run('reveille', '--endpoint', endpoint, ...argv);
  run('workload_gen', dir, String(CONTACTS));
  reveille('up', '--data', data, '--workers', '1', '--partitions', '1', '--detach');
  try {
    reveille('schema', 'apply', path.join(here, '../../bench/schema.yaml'));
    for (const what of ['companies', 'contacts', 'events']) reveille('import', what, path.join(dir, what + '.csv'));
    reveille('cluster', 'compact', '--wait');
  } finally { reveille('down', '--data', data); }
  return path.join(data, 'worker-1');
}

// ---- counting -------------------------------------------------------------------------------------------------------
// The command line's arguments of a query, as guard_query takes them.
function question([verb, ...rest]) {
  const of = (name) => rest[rest.indexOf(name) + 1];
  if (verb === 'select') return ['select', of('--fields'), of('--order-by'), of('--limit')];
  if (verb === 'aggregate') return ['aggregate', of('--by'), of('--compute')];
  return ['count', rest[0]];
}
function count(bin, worker, out, argv) {
  const command = ['--tool=callgrind', '--collect-atstart=no', '--toggle-collect=guard_measured', `--callgrind-out-file=${out}`,
                   path.join(bin, 'guard_query'), worker, String(Date.parse(AS_OF)), ...question(argv)];
  const child = spawn('valgrind', command, { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (chunk) => { text += chunk; });
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (status) => {
    if (status === WRONG_PROCESSOR) return resolve(NaN);
    const collected = /Collected : (\d+)/.exec(text);
    return status === 0 && collected ? resolve(+collected[1]) : reject(new Error(`valgrind ended with ${status}: ${text}`));
  }));
}
async function measure(bin) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'rv-guard-')), figures = {};
  try {
    const worker = await load(bin, dir);
    for (const q of CHOSEN) {
      const [, def] = Object.entries(queries).find(([name]) => name.startsWith(q));
      figures[q] = await count(bin, worker, path.join(dir, q), def.reveille[0]);
    }
  } finally { fs.rmSync(dir, { recursive: true, force: true }); }
  return figures;
}
function builtWith(bin) {
  const comments = execFileSync('readelf', ['-p', '.comment', path.join(bin, 'guard_query')], { encoding: 'utf8' });
  const libc = execFileSync('getconf', ['GNU_LIBC_VERSION'], { encoding: 'utf8' });
  return [...new Set(comments.match(/(GCC|clang).*/g))].join(', ') + ', ' + libc.trim();
}

// ---- main -----------------------------------------------------------------------------------------------------------
async function main() {
  if (has('self-test')) return selfTest();
  if (!has('bin')) throw new Error('usage: guard.mjs --self-test | --bin BUILD_BIN_DIR [--record]');
  const bin = path.resolve(flag('bin')), built = builtWith(bin), figures = await measure(bin);
  if (Object.values(figures).some(Number.isNaN)) return console.log('guard: valgrind shows no AVX2 on this processor: nothing checked');
  if (has('record')) {
    fs.writeFileSync(file, print({ built, figures }));
    return console.log(fs.readFileSync(file, 'utf8'));
  }
  const recorded = parse(fs.readFileSync(file, 'utf8'));
  const { failed, said } = compare(recorded.figures, figures);
  said.forEach((s) => console.log(s));
  if (recorded.built !== built) return console.log(`guard: recorded with ${recorded.built}, this is ${built}: nothing checked`);
  if (failed) process.exitCode = 1;
  return undefined;
}
await main();
