// ONNX Runtime Web and LiteRT.js behind one interface: a model, opened, and called in the file's own names.

// What a user is told: why not, and what to do next.
export class Refusal extends Error {
  constructor(why, next = "") {
    super(why);
    this.next = next;
  }
}

// JavaScript has no half precision everywhere: its bits travel in 16-bit integers.
const ARRAYS = {
  float16: Uint16Array, float32: Float32Array, float64: Float64Array,
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array, bool: Uint8Array,
};
const GPU = { onnx: "webgpu", tflite: "WebGPU" };
const CPU = { onnx: "wasm", tflite: "XNNPACK" };
const CLOCK_CHANGES = 20;

// The steps in which the clock goes: browsers make it coarser than it is, more so without cross-origin isolation.
export function clockStep() {
  const steps = [];
  let last = performance.now();
  while (steps.length < CLOCK_CHANGES) {
    const now = performance.now();
    if (now > last) {
      steps.push(now - last);
      last = now;
    }
  }
  // Neither a moment in which it went further, nor one that rounding made.
  return steps.sort((a, b) => a - b)[steps.length >> 1];
}

async function adapter() {
  return (await navigator.gpu?.requestAdapter()) ?? null;
}

// A GPU that the processor imitates, by its name; null of a real one.
function imitated(gpu) {
  const software = gpu?.info?.isFallbackAdapter || /swiftshader|llvmpipe/i.test(Object.values(namesOf(gpu)).join(" "));
  return software ? `a GPU in software (${namesOf(gpu).architecture || "no name"})` : null;
}

function namesOf(gpu) {
  const { vendor = "", architecture = "", description = "" } = gpu?.info ?? {};
  return { vendor, architecture, description };
}

export async function browserFacts() {
  const gpu = await adapter();
  return {
    user_agent: navigator.userAgent,
    cpus: navigator.hardwareConcurrency,
    isolated: crossOriginIsolated,
    clock_ns: Math.round(clockStep() * 1e6),
    gpu: gpu && namesOf(gpu),
  };
}

// The providers that were asked for, else those that the device's class prefers, as far as they are here.
async function chosen(target, want) {
  const gpu = await adapter();
  const asked = want.providers ?? want.preferred.filter((name) => name !== GPU[target] || (gpu && !imitated(gpu)));
  if (asked.includes(GPU[target]) && !gpu) {
    const why = isSecureContext ? "this browser finds no GPU for WebGPU" : "without https a browser gives no WebGPU";
    throw new Refusal(why, `take --provider ${CPU[target]}, or another browser or machine`);
  }
  return { names: asked.length ? asked : [CPU[target]], gpu };
}

function checkThreads(threads) {
  if (threads > 1 && !crossOriginIsolated) {
    throw new Refusal("without https a browser gives one thread", "leave --threads off, or see docs/benchmarking.md");
  }
}

// What a runtime will fetch, into the browser's cache: the network is no part of what is timed.
async function fetched(...urls) {
  await Promise.all(urls.map(async (url) => (await fetch(url)).arrayBuffer()));
}

const started = {};

// A page has each runtime once; models that are measured in turn share it.
export function startRuntime(target, want) {
  return (started[target] ??= start(target, want));
}

async function start(target, want) {
  checkThreads(want.threads);
  const { names, gpu } = await chosen(target, want);
  const emulated = names.includes(GPU[target]) ? imitated(gpu) : null;
  const runtime = await (target === "onnx" ? startOnnx : startLitert)(names, want);
  return { ...runtime, emulated };
}

async function startOnnx(names, want) {
  const gpu = names.includes(GPU.onnx);
  const [module, build] = gpu ? ["webgpu", "threaded.asyncify"] : ["wasm", "threaded"];
  const root = new URL("./runtime/onnxruntime-web/dist/", document.baseURI).href;
  await fetched(`${root}ort.${module}.bundle.min.mjs`, `${root}ort-wasm-simd-${build}.wasm`);
  const begin = performance.now();
  const ort = await import(`onnxruntime-web/dist/ort.${module}.bundle.min.mjs`);
  ort.env.wasm.wasmPaths = root;
  if (want.threads || !crossOriginIsolated) ort.env.wasm.numThreads = want.threads ?? 1;
  return { importMs: performance.now() - begin, open: (bytes) => openOnnx(ort, bytes, names) };
}

async function openOnnx(ort, bytes, names) {
  const session = await ort.InferenceSession.create(bytes, { executionProviders: names });
  // It goes on without a provider that does not start; the device is there where WebGPU did.
  const providers = names.filter((name) => name !== GPU.onnx || ort.env.webgpu?.device);
  const tensor = (one, data) => new ort.Tensor(one.dtype, data, one.shape);
  return {
    inputs: async (specs) => Object.fromEntries(await named(specs, tensor)),
    run: (feeds) => session.run(feeds),
    outputs: async (feeds) => Object.entries(await session.run(feeds)).map(([name, one]) => sent(name, one.type, one.dims, one.data)),
    providers: providers.length ? providers : [CPU.onnx],
    threads: ort.env.wasm.numThreads,
  };
}

async function startLitert(names, want) {
  const gpu = names[0] === GPU.tflite;
  const threads = crossOriginIsolated && !gpu && want.threads !== 1;
  const root = new URL("./runtime/@litertjs/core/wasm/", document.baseURI).href;
  const build = `litert_wasm_${threads ? "threaded_" : ""}internal`;
  await fetched(`${root}${build}.js`, `${root}${build}.wasm`);
  const begin = performance.now();
  const litert = await import("@litertjs/core");
  const runtime = await litert.loadLiteRt(root, { threads });
  const importMs = performance.now() - begin;
  const count = want.threads ?? (threads ? runtime.liteRtWasm.getThreadCount() : 1);
  const options = gpu ? { accelerator: "webgpu" } : { accelerator: "wasm", cpuOptions: { numThreads: count } };
  return { importMs, open: (bytes) => openLitert(litert, bytes, options, want, count) };
}

async function openLitert(litert, bytes, options, want, threads) {
  let model;
  try {
    model = await litert.loadAndCompile(bytes, options);
  } catch (error) {
    throw refusedByLitert(error);
  }
  const gpu = model.options.accelerator === "webgpu" && model.isFullyAccelerated;
  if (options.accelerator === "webgpu" && !gpu && want.providers) {
    throw new Refusal("LiteRT.js runs not all of its operators on WebGPU", "take --provider XNNPACK");
  }
  const details = model.getOutputDetails();
  const tensor = (one, data) => new litert.Tensor(data, one.shape);
  const results = async (inputs) => {
    const outputs = await model.run(inputs);
    const values = [];
    for (const name of Object.keys(outputs)) {
      values.push([name, await outputs[name].data()]);
      outputs[name].delete();
    }
    return values;
  };
  const specs = Object.fromEntries(details.map((one) => [one.name, one]));
  return {
    inputs: async (given) => Object.fromEntries(await named(given, tensor)),
    run: results,
    outputs: async (inputs) =>
      (await results(inputs)).map(([name, data]) => sent(name, specs[name].dtype, [...specs[name].shape], data)),
    providers: [gpu ? GPU.tflite : CPU.tflite],
    threads,
  };
}

function refusedByLitert(error) {
  const why = String(error?.message ?? error).split("\n")[0];
  if (/Element type \w+ is not supported/.test(why)) {
    const takes = "LiteRT.js takes and gives float32, int32 and uint8 alone";
    return new Refusal(`${takes} (${why})`, "take a scheme whose inputs and outputs are of these: --scheme float32");
  }
  return new Refusal(`LiteRT.js does not load it: ${why}`, "take --target onnx");
}

async function named(specs, tensor) {
  return Promise.all(
    specs.map(async (one) => {
      const bytes = await (await fetch(one.url)).arrayBuffer();
      return [one.name, tensor(one, new ARRAYS[one.dtype](bytes))];
    }),
  );
}

// An output as it travels: its bytes in base64, which JSON can hold.
function sent(name, dtype, shape, data) {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return { name, dtype, shape: shape.map(Number), base64: btoa(text) };
}
