// The protocol of edgekit/bench/protocol.py, as edgekit/bench/worker.py carries it out in a process of its own.

import { clockStep, startRuntime } from "./runtimes.js";

const SETTLED_WINDOWS = 3;
const MINUTE_MS = 60_000;
// So many of the clock's steps are worth a value: one more or less of them is a hundredth of it.
const BLOCK_STEPS = 100;
// A call that is timed alone is worth a percentile from so many steps on.
const SINGLE_STEPS = 20;
const YARDSTICK = { numbers: 2048, steps: 40 };
// Fixed work between two slices.
const GLANCES = 3;
// The shortest times are the machine's own; the very shortest may be a moment's luck.
const SHORTEST = 0.02;

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

// So many calls that the clock can see them: also when nothing slows them, as may be the very first.
async function visible(call, step) {
  for (let loops = 1; ; loops *= 2) {
    const durations = [];
    for (let n = 0; n < GLANCES; n++) durations.push(await block(call, loops));
    if (Math.min(...durations) >= SINGLE_STEPS * step) return loops;
  }
}

// Windows of calls until the medians of those settle beside which fixed work was not slow.
async function warmUp(call, protocol, step, yardstick) {
  const loops = await visible(call, step);
  const windows = [];
  const yardsticks = [];
  const begin = performance.now();
  while (true) {
    const values = [];
    const end = performance.now() + protocol.window_seconds * 1000;
    while (!values.length || performance.now() < end) values.push((await block(call, loops)) / loops);
    // No shorter than the clock can see.
    windows.push(Math.max(median(values), step / loops) * 1e6);
    yardsticks.push(await yardstick());
    const limit = limitOf(yardsticks, protocol);
    const last = windows.filter((_, n) => yardsticks[n] <= limit).slice(-SETTLED_WINDOWS);
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

// The same arithmetic as edgekit/bench/yardstick.py, timed in blocks that the clock can see.
async function yardstickOf(step) {
  const values = new Float32Array(YARDSTICK.numbers).fill(1);
  const work = () => {
    for (let n = 0; n < YARDSTICK.steps; n++) {
      for (let i = 0; i < values.length; i++) values[i] = values[i] * Math.fround(0.999) + 1;
    }
  };
  // So often that it has been compiled.
  await block(work, 400);
  const loops = await visible(work, step);
  return async () => {
    const durations = [];
    for (let n = 0; n < GLANCES; n++) durations.push((await block(work, loops)) / loops);
    return nanoseconds(median(durations));
  };
}

// What fixed work may take beside a slice that counts.
function limitOf(yardsticks, protocol, known) {
  const shortest = [...yardsticks].sort((a, b) => a - b)[Math.floor(SHORTEST * (yardsticks.length - 1))];
  return protocol.slowed * Math.min(shortest, known ?? Infinity);
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
  const yardstick = await yardstickOf(step);
  for (const [n, one] of want.models.entries()) {
    const known = want.quiet_ns?.[n];
    each.push({ ...(await openTimed(one, want)), known, durations: [], singles: [], slices: [], yardsticks: [] });
  }
  const share = (protocol.min_seconds / protocol.processes) * 1000;
  await peace(yardstick, protocol, Math.max(...(want.quiet_ns ?? [0])));
  for (const one of each) {
    one.warmup = await warmUp(one.call, protocol, step, yardstick);
    one.loops = loopsOf(one.warmup, protocol, step, share);
    one.alone = singlesOf(one, protocol, step, share);
  }
  const random = randoms(seed);
  await mark();
  const begin = performance.now();
  let before = await yardstick();
  while (!enough(each, protocol, (performance.now() - begin) / each.length)) {
    for (const index of shuffled(each.length, random)) {
      const one = each[index];
      await slice(one, protocol);
      const after = await yardstick();
      one.yardsticks.push(Math.max(before, after));
      before = after;
    }
  }
  const conditions = await mark();
  const models = each.map((one) => ({
    ...one.facts, warmup: one.warmup, loops: one.loops, slices: one.slices, yardstick_ns: one.yardsticks,
    durations_ns: one.durations.map(nanoseconds), singles_ns: one.singles.map(nanoseconds),
  }));
  return { models, conditions };
}

// Waits until fixed work is not slow, where it is known what it takes.
async function peace(yardstick, protocol, known) {
  const until = performance.now() + protocol.wait_seconds * 1000;
  while (known && performance.now() < until && (await yardstick()) > protocol.slowed * known) await breathe();
}

// Whether every model has its calls and seconds: those that count, and any where too few will.
function enough(each, protocol, elapsed) {
  const share = (protocol.min_seconds / protocol.processes) * 1000;
  if (elapsed < share || !each[0].yardsticks.length) return false;
  const limits = each.map((one) => limitOf(one.yardsticks, protocol, one.known));
  const hopeful = each.every((one, n) => {
    const quiet = one.yardsticks.filter((ns) => ns <= limits[n]).length;
    return quiet >= protocol.quiet_share * one.yardsticks.length;
  });
  const patient = hopeful && elapsed < protocol.patience * share;
  const wanted = Math.ceil(protocol.min_calls / protocol.processes);
  return each.every((one, n) => {
    const { calls, ms } = counted(one, patient ? limits[n] : Infinity);
    return calls >= wanted && ms >= share;
  });
}

// Calls and milliseconds of those slices beside which fixed work took no longer than a limit.
function counted(one, limit) {
  let [calls, ms, next] = [0, 0, 0];
  one.slices.forEach((count, n) => {
    if (one.yardsticks[n] <= limit) {
      calls += count * one.loops;
      for (const duration of one.durations.slice(next, next + count)) ms += duration;
    }
    next += count;
  });
  return { calls, ms };
}

async function slice(one, protocol) {
  await breathe();
  const until = performance.now() + protocol.slice_seconds * 1000;
  const count = one.durations.length;
  while (one.durations.length === count || performance.now() < until) one.durations.push(await block(one.call, one.loops));
  one.slices.push(one.durations.length - count);
  for (let n = 0; n < one.alone; n++) one.singles.push(await block(one.call, 1));
}

// Single calls of each slice, for percentiles, where the clock can tell them apart.
function singlesOf(one, protocol, step, share) {
  if (one.loops === 1 || one.warmup.windows_ns.at(-1) < SINGLE_STEPS * step * 1e6) return 0;
  return Math.ceil(protocol.singles / Math.max(Math.round(share / (protocol.slice_seconds * 1000)), 1));
}

// Calls without a pause for a given time: what each minute's were.
export async function sustained(want, mark) {
  const { protocol } = want;
  const step = clockStep();
  const { call } = await openTimed(want.models[0], want);
  const yardstick = await yardstickOf(step);
  const warmup = await warmUp(call, protocol, step, yardstick);
  const minute = want.minute_seconds ? want.minute_seconds * 1000 : MINUTE_MS;
  const loops = loopsOf(warmup, protocol, step, Math.max(MINUTE_MS, (protocol.min_seconds / protocol.processes) * 1000));
  const minutes = [];
  const begin = performance.now();
  while (performance.now() - begin < want.seconds * 1000) {
    await mark();
    const values = [];
    const until = begin + Math.min((minutes.length + 1) * minute, want.seconds * 1000);
    while (!values.length || performance.now() < until) {
      const slice = performance.now() + protocol.slice_seconds * 1000;
      while (!values.length || performance.now() < slice) values.push(nanoseconds(await block(call, loops)));
      await breathe();
    }
    minutes.push({ durations_ns: values, conditions: await mark(), yardstick_ns: await yardstick() });
  }
  return { loops, minutes };
}
