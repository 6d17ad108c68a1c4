// What the host asks for, one thing after the other, until it says no more.

import { browserFacts, Refusal, startRuntime } from "./runtimes.js";
import { openTimed, sustained, timed } from "./measure.js";

// The host tells by it that a page was left, or opened a second time.
const page = crypto.getRandomValues(new Uint32Array(2)).join("-");
const status = document.getElementById("status");
// A model that stays open between calls that the host asks for one by one.
let opened = null;

const TASKS = {
  facts: browserFacts,
  time: (message) => timed(message, mark),
  sustain: (message) => sustained(message, mark),
  start: async (message) => void (await startRuntime(message.models[0].target, message)),
  open: async (message) => {
    opened = await openTimed(message.models[0], message);
    return opened.facts;
  },
  call: async (message) => ({ outputs: await opened.model.outputs(await opened.model.inputs(message.inputs)) }),
  repeat: async (message) => {
    for (let n = 0; n < message.calls; n++) await opened.call();
  },
  reload: async () => void setTimeout(() => location.reload(), 50),
};

async function send(what, body) {
  return fetch(`./${what}`, { method: "POST", body: JSON.stringify(body) });
}

// What else the machine did since the last time, as far as the host can see it.
async function mark() {
  return (await send("mark", {})).json();
}

async function answerOf(message) {
  try {
    return (await TASKS[message.do](message)) ?? {};
  } catch (error) {
    const why = String(error).replace(/^Error: /, "");
    // Runtimes answer with whole logs; the first line says what it is.
    const refused = error instanceof Refusal ? error : { message: why.split("\n")[0], next: "" };
    return { error: { kind: "ExecutionError", asked: message.asked, why: refused.message, next_step: refused.next } };
  }
}

async function main() {
  while (true) {
    status.textContent = "Waiting";
    const response = await fetch(`./next?page=${page}`, { cache: "no-store" });
    if (response.status === 204) continue;
    if (!response.ok) throw new Error(`the host answers ${response.status}`);
    const message = await response.json();
    status.textContent = "Measuring";
    await send("answer", { number: message.number, answer: await answerOf(message) });
    if (message.do === "reload") return;
  }
}

main().catch((error) => {
  status.textContent = `Ended: ${error.message}`;
});
