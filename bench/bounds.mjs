// What bounds each query: the bytes and events it reads (--explain), against a plain scan of memory on the same machine (scan.c).
//   node bounds.mjs DATA_DIR [--bin BUILD_BIN_DIR] [--runs 9]
// DATA_DIR/reveille-data is a loaded cluster, as run.mjs leaves it. Of each query the run with the shortest scan counts; a query is as slow as
// its slowest worker. Bytes are those of columns and runs that the plan reads, each once a node that reads it.
import { queries, AS_OF } from './queries.mjs';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
const args = process.argv.slice(2);
const flag = (name, otherwise) => { const i = args.indexOf('--' + name); return i < 0 ? otherwise : args[i + 1]; };
const data = `${path.resolve(args[0])}/reveille-data`, bin = flag('bin', ''), endpoint = flag('endpoint', 'tcp://127.0.0.1:7657'), runs = +flag('runs', '9');
const run = (name, ...argv) => execFileSync(bin ? path.resolve(bin, name) : name, argv, { encoding: 'utf8', maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'inherit'],
  env: { ...process.env, PATH: `${bin ? path.resolve(bin) + ':' : ''}${process.env.PATH}` } });
const reveille = (...argv) => run('reveille', '--endpoint', endpoint, ...argv);

reveille('up', '--data', data, '--workers', '2', '--detach');
try {
  const plain = JSON.parse(run('scan')), gb = (rate) => (rate / 1e9).toFixed(1);
  console.log(`plain scan with ${plain.threads} threads: ${gb(plain.bytes_per_second)} GB/s`);
  console.log('query\tscan, ms\tMB read\tmillion events\tGB/s\tof a plain scan\tns an event and core\tmost time');
  for (const [q, def] of Object.entries(queries)) {
    const explained = () => JSON.parse(reveille(...def.reveille[0], '--as-of', AS_OF, '--format', 'json', '--explain')).explain;
    const slowest = (e) => Math.max(...e.workers.map((w) => w.scan_ns));
    const best = Array.from({ length: runs }, explained).reduce((a, b) => (slowest(b) < slowest(a) ? b : a));
    const ns = slowest(best), { bytes, events } = best.total, busy = best.workers.reduce((sum, w) => sum + w.scan_ns, 0);
    const most = best.nodes.reduce((a, b) => (b.total.time_ns > a.total.time_ns ? b : a));
    console.log([q, (ns / 1e6).toFixed(2), (bytes / 1e6).toFixed(1), (events / 1e6).toFixed(2), gb(bytes / ns * 1e9),
      `${(100 * bytes / ns * 1e9 / plain.bytes_per_second).toFixed(0)} %`, events ? (busy / events).toFixed(2) : '-', `${most.kind} ${(100 * most.total.time_ns / best.total.time_ns).toFixed(0)} %`].join('\t'));
  }
} finally {
  reveille('down', '--data', data);
}
