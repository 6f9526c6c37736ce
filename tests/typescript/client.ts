// Calls hello.py and tests/menagerie.py through types generated from their descriptions:
// `node client.js HELLO MENAGERIE` prints what came back as JSON.
import createClient from "openapi-fetch";
import type { paths as Hello } from "./hello.js";
import type { components, paths as Menagerie } from "./menagerie.js";

type Bat = components["schemas"]["Bat"];
type Problem = components["schemas"]["ProblemDetails"];

declare const process: { argv: [string, string, string, string] };
const [, , helloUrl, menagerieUrl] = process.argv;

const hello = createClient<Hello>({ baseUrl: `${helloUrl}/api` });
const bats = createClient<Menagerie>({ baseUrl: `${menagerieUrl}/api` });
const keeper = createClient<Menagerie>({
  baseUrl: `${menagerieUrl}/api`,
  headers: { authorization: "Bearer keeper" },
});

function names(found: Bat[]): string[] {
  return found.map((bat) => bat.name);
}

function problem(error: Problem | undefined): [string, string, string[]] {
  if (error === undefined) throw new Error("it did not fail");
  return [error.kind, error.code, (error.errors ?? []).map((each) => each.path)];
}

async function main(): Promise<void> {
  const greeting = await hello.GET("/greet", { params: { query: { name: "Bat" } } });
  const page = await bats.GET("/bats", { params: { query: { diet: "insects", limit: 2 } } });
  const found = await bats.GET("/search", { params: { query: { name: ["Bat 1", "Bat 3"], exact: true } } });
  const adopted = await bats.POST("/bats", { body: { name: "Batrick", diet: "fruit", wings: [{ span: 0.5 }] } });
  const replaced = await bats.PUT("/bats/{id}", { params: { path: { id: "9007199254740993" } }, body: { name: "Big" } });
  const released = await keeper.DELETE("/bats/{id}", { params: { path: { id: "1" } } });
  const missing = await bats.GET("/bats/{id}", { params: { path: { id: "77" } } });
  const taken = await bats.POST("/bats", { body: { name: "taken" } });
  const invalid = await bats.POST("/bats", { body: { name: "", wings: [{ span: 9 }] } });
  const stranger = await bats.GET("/whoami");
  const bug = await bats.GET("/broken");

  const born: string | null | undefined = adopted.data?.born;
  console.log(JSON.stringify({
    greeting: greeting.data,
    page: page.data && { names: names(page.data.items), next: page.data.next },
    found: found.data && names(found.data),
    adopted: { ...adopted.data, born },
    location: adopted.response.headers.get("location"),
    replaced: replaced.data?.id,
    released: released.response.status,
    whoami: (await keeper.GET("/whoami")).data,
    missing: problem(missing.error),
    missingId: missing.error?.fields?.["id"],
    taken: problem(taken.error),
    invalid: problem(invalid.error),
    stranger: problem(stranger.error),
    bug: problem(bug.error),
  }));
}

await main();
