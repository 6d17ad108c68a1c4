// The protocol of edgekit/bench/protocol.py, as edgekit/bench/worker.py carries it out in a process of its own.

import { clockStep, startRuntime } from "./runtimes.js";

const SETTLED_WINDOWS = 3;
const SLICE_MS = 50;
const MINUTE_MS = 60_000;
// So many of the clock's steps are worth a value: one more or less of them is a hundredth of it.
const BLOCK_STEPS = 100;
// A call that is timed alone is worth a percentile from so many steps on.
const SINGLE_STEPS = 20;
const YARDSTICK = { numbers: 4096, steps: 25 };

const nanoseconds = (ms) => Math.round(ms * 1e6);
const median = (values) => {
  const ordered = [...values].sort((a, b) => a - b);
  const middle = ordered.length >> 1;
  return ordered.length % 2 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
};
// Lets the browser do what it has put off; a promise alone does not.
const breathe = () => new Promise((resolve) => setTimeout(resolve, 0));

// A model, loaded and called once, both timed.
export async function openTimed(one, want) {
  const bytes = new Uint8Array(await (await fetch(one.url)).arrayBuffer());
  const runtime = await startRuntime(one.target, want);
  const begin = performance.now();
  const model = await runtime.open(bytes);
  const loaded = performance.now();
  const facts = { runtime: one.runtime, providers: model.providers, threads: model.threads, emulated: runtime.emulated };
  if (!one.inputs) return { model, facts };
  const inputs = await model.inputs(one.inputs);
  const ready = performance.now();
  await model.run(inputs);
  const cold = {
    import_ns: nanoseconds(runtime.importMs),
    load_ns: nanoseconds(loaded - begin),
    first_call_ns: nanoseconds(performance.now() - ready),
  };
  return { model, call: () => model.run(inputs), facts: { ...facts, bound: false, cold } };
}

async function block(call, loops) {
  const begin = performance.now();
  for (let n = 0; n < loops; n++) await call();
  return performance.now() - begin;
}

// Windows of calls until their medians settle.
async function warmUp(call, protocol, step) {
  let loops = 1;
  while ((await block(call, loops)) < SINGLE_STEPS * step) loops *= 2;
  const windows = [];
  const begin = performance.now();
  while (true) {
    const values = [];
    const end = performance.now() + protocol.window_seconds * 1000;
    while (!values.length || performance.now() < end) values.push((await block(call, loops)) / loops);
    windows.push(median(values) * 1e6);
    const last = windows.slice(-SETTLED_WINDOWS);
    const settled = last.length === SETTLED_WINDOWS && Math.max(...last) <= protocol.settled * Math.min(...last);
    if (settled || performance.now() - begin > protocol.max_warmup_seconds * 1000) return { windows_ns: windows, settled };
    await breathe();
  }
}

// Calls in one timed block: its length is worth reading the clock for, and its values are not too many.
function loopsOf(warmup, protocol, step, longest) {
  const ms = Math.max(protocol.min_block_seconds * 1000, longest / protocol.max_values, BLOCK_STEPS * step);
  return Math.max(Math.ceil((ms * 1e6) / warmup.windows_ns.at(-1)), 1);
}

// The same arithmetic as the yardstick of edgekit/bench/counters.py, timed in blocks that the clock can see.
async function yardstick(step, repeats) {
  const values = new Float32Array(YARDSTICK.numbers).fill(1);
  const work = () => {
    for (let n = 0; n < YARDSTICK.steps; n++) {
      for (let i = 0; i < values.length; i++) values[i] = values[i] * Math.fround(0.999) + 1;
    }
  };
  await block(work, repeats);
  const each = (await block(work, repeats)) / repeats;
  const loops = Math.max(Math.ceil((SINGLE_STEPS * step) / each), 1);
  const durations = [];
  for (let n = 0; n < Math.max(repeats / loops, 5); n++) durations.push((await block(work, loops)) / loops);
  return nanoseconds(median(durations));
}

// Numbers from 0 to 1 that follow from a seed (mulberry32).
function randoms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(count, random) {
  const order = [...Array(count).keys()];
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// Cold start, warm-up and durations of one model, or of several in turn, slice by slice.
export async function timed(want, mark) {
  const { protocol, seed } = want;
  const step = clockStep();
  const each = [];
  for (const one of want.models) each.push({ ...(await openTimed(one, want)), durations: [], singles: [] });
  const share = (protocol.min_seconds / protocol.processes) * 1000;
  for (const one of each) {
    one.warmup = await warmUp(one.call, protocol, step);
    one.loops = loopsOf(one.warmup, protocol, step, share);
  }
  const clocks = [await yardstick(step, 400)];
  const wanted = Math.ceil(protocol.min_calls / protocol.processes);
  const random = randoms(seed);
  await mark();
  const begin = performance.now();
  while (each.some((one) => one.durations.length * one.loops < wanted) || performance.now() - begin < share * each.length) {
    for (const index of shuffled(each.length, random)) await slice(each[index]);
  }
  for (const one of each) await alone(one, protocol, step);
  const conditions = await mark();
  clocks.push(await yardstick(step, 400));
  const models = each.map((one) => ({
    ...one.facts, warmup: one.warmup, loops: one.loops,
    durations_ns: one.durations.map(nanoseconds), singles_ns: one.singles.map(nanoseconds),
  }));
  return { models, conditions, yardstick_ns: clocks };
}

async function slice(one) {
  await breathe();
  const until = performance.now() + SLICE_MS;
  const count = one.durations.length;
  while (one.durations.length === count || performance.now() < until) one.durations.push(await block(one.call, one.loops));
}

// Single calls for percentiles, where the clock can tell them apart.
async function alone(one, protocol, step) {
  const shortest = SINGLE_STEPS * step * 1e6;
  if (one.loops === 1 || one.warmup.windows_ns.at(-1) < shortest) return;
  for (let n = 0; n < protocol.singles; n++) one.singles.push(await block(one.call, 1));
}

// Calls without a pause for a given time: what each minute's were.
export async function sustained(want, mark) {
  const { protocol } = want;
  const step = clockStep();
  const { call } = await openTimed(want.models[0], want);
  const warmup = await warmUp(call, protocol, step);
  const minute = want.minute_seconds ? want.minute_seconds * 1000 : MINUTE_MS;
  const loops = loopsOf(warmup, protocol, step, Math.max(MINUTE_MS, (protocol.min_seconds / protocol.processes) * 1000));
  const minutes = [];
  const begin = performance.now();
  while (performance.now() - begin < want.seconds * 1000) {
    await mark();
    const values = [];
    const until = begin + Math.min((minutes.length + 1) * minute, want.seconds * 1000);
    while (!values.length || performance.now() < until) {
      const slice = performance.now() + SLICE_MS;
      while (!values.length || performance.now() < slice) values.push(nanoseconds(await block(call, loops)));
      await breathe();
    }
    minutes.push({ durations_ns: values, conditions: await mark(), yardstick_ns: await yardstick(step, 50) });
  }
  return { loops, minutes };
}
