// What the host asks for, one thing after the other, until it says no more.

import { browserFacts, Refusal, startRuntime } from "./runtimes.js";
import { openTimed, sustained, timed } from "./measure.js";

// The host tells by it that a page was left, or opened a second time.
const page = crypto.getRandomValues(new Uint32Array(2)).join("-");
const status = document.getElementById("status");
const TRIES = 6;
const PAUSE_MS = 300;
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
  // Once this is answered.
  reload: async () => {},
};

// What the host says. A phone's network loses a word now and then: it is asked again, and the host takes the same twice.
async function ask(what, body) {
  const options = body === undefined ? { cache: "no-store" } : { method: "POST", body: JSON.stringify(body) };
  for (let tried = 1; ; tried++) {
    try {
      const response = await fetch(`./${what}`, options);
      const text = await response.text();
      if (!response.ok) throw new Refusal(`the host answers ${response.status}`, "");
      return text && JSON.parse(text);
    } catch (error) {
      if (error instanceof Refusal || tried === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, tried * PAUSE_MS));
    }
  }
}

// What else the machine did since the last time, as far as the host can see it.
const mark = () => ask("mark", {});

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
    const message = await ask(`next?page=${page}`);
    if (!message) continue;
    status.textContent = "Measuring";
    await ask("answer", { number: message.number, answer: await answerOf(message) });
    if (message.do === "reload") return void location.reload();
  }
}

main().catch((error) => {
  status.textContent = `Ended: ${error.message}`;
});
