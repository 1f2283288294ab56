// Reads while writes: the medians of the workload's queries in rest, and while events arrive.
//   node mixed.mjs DATA_DIR CONTACTS [--bin BUILD_BIN_DIR] [--rate 50000] [--clients 4] [--seconds 60] [--runs 5] [--only q03,q08]
// DATA_DIR/reveille-data is a loaded cluster, as run.mjs leaves it; a copy is used and removed. Rounds over all queries, each asked
// --runs times a round: first three at rest, then as many as fit while `append` sends batches of 100 at the rate, on the same cores.
// Every tenth acknowledged batch is looked for in the timeline of one of its contacts, which must have it. At the end the cluster must
// count the events of the log (type by type) as before, and as many more as were acknowledged. Exit status 1: something is missing.
import { queries, AS_OF } from './queries.mjs';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
const args = process.argv.slice(2);
const flag = (name, otherwise) => { const i = args.indexOf('--' + name); return i < 0 ? otherwise : args[i + 1]; };
const dir = path.resolve(args[0]), contacts = args[1], bin = flag('bin', ''), endpoint = flag('endpoint', 'tcp://127.0.0.1:7656');
const only = flag('only', '').split(',').filter(Boolean), runs = flag('runs', '5');
const chosen = Object.entries(queries).filter(([q]) => !only.length || only.some((o) => q.startsWith(o)));
const program = (name) => (bin ? path.resolve(bin, name) : name), data = `${dir}/mixed-data`;
const env = { ...process.env, PATH: `${bin ? path.resolve(bin) + ':' : ''}${process.env.PATH}` };
const reveille = (...argv) => execFileSync(program('reveille'), ['--endpoint', endpoint, ...argv], { encoding: 'utf8', maxBuffer: 1 << 30, env, stdio: ['ignore', 'pipe', 'pipe'] });
const median = (t) => [...t].sort((a, b) => a - b)[t.length >> 1];

// One question with --repeat, without holding up this process: its median in ms.
const ask = (argv) => new Promise((resolve, reject) => {
  const child = spawn(program('reveille'), ['--endpoint', endpoint, ...argv, '--as-of', AS_OF, '--format', 'json', '--repeat', runs], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk) => { text += chunk; });
  child.on('error', reject).on('close', (status) => (status === 0 ? resolve(JSON.parse(text).timing.median_ms) : reject(new Error(`${argv[0]}: exit status ${status}`))));
});
// Rounds until `enough` says so; an unfinished round counts as far as it came.
async function measure(enough) {
  const times = Object.fromEntries(chosen.map(([q]) => [q, []]));
  for (let round = 0; !enough(round); round++) {
    for (const [q, def] of chosen) {
      const ms = await ask(def.reveille[0]);
      if (enough(round)) break;
      times[q].push(ms);
    }
  }
  return times;
}
// All events of all contacts.
const types = [...fs.readFileSync(new URL('schema.yaml', import.meta.url), 'utf8').matchAll(/types: \[([^\]]*)\]/g)][0][1].split(/[\s,]+/).filter(Boolean);
const events = () => JSON.parse(reveille('aggregate', '--compute', `sum(count(${types.join('|')}))`, '--as-of', '2100-01-01T00:00:00Z', '--format', 'json')).rows[0];

fs.rmSync(data, { recursive: true, force: true });
fs.cpSync(fs.realpathSync(`${dir}/reveille-data`), data, { recursive: true });
reveille('up', '--data', data, '--workers', '2', '--detach');
try {
  await measure((round) => round === 1);
  const count = () => +Object.values(events())[0], atFirst = count(), rest = await measure((round) => round === 3);
  const writer = spawn(program('append'), [endpoint, contacts, '--clients', flag('clients', '4'), '--rate', flag('rate', '50000'), '--seconds', flag('seconds', '60'), '--verify', '10'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let ended = false, text = '';
  writer.stdout.on('data', (chunk) => { text += chunk; });
  const end = new Promise((resolve) => writer.on('close', (status) => { ended = true; resolve(status); }));
  const busy = await measure(() => ended), status = await end, wrote = text ? JSON.parse(text) : { events: 0 }, more = count() - atFirst;
  console.log('query\tat rest, ms\twhile events arrive, ms\tratio\trounds');
  const ratios = chosen.map(([q]) => {
    const [a, b] = [median(rest[q]), median(busy[q])];
    console.log(`${q}\t${a.toFixed(2)}\t${b?.toFixed(2)}\t${(b / a).toFixed(2)}\t${busy[q].length}`);
    return b / a;
  });
  console.log(`ratio of the medians: ${median(ratios).toFixed(2)} in the middle, ${Math.max(...ratios).toFixed(2)} at most`);
  console.log(`append\t${JSON.stringify(wrote)}`);
  console.log(`${more} events more than before, ${wrote.events} acknowledged`);
  if (status !== 0 || more !== wrote.events) process.exitCode = 1;
} finally {
  reveille('down', '--data', data);
  fs.rmSync(data, { recursive: true, force: true });
}
