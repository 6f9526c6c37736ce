// Subscribes with graphql-sse: `node subscribe.mjs URL QUERY MOST` prints each result; it hangs up after MOST of them.
import { createClient } from "graphql-sse";

const [, , url, query, most] = process.argv;
const client = createClient({ url, retryAttempts: 0 });
let heard = 0;
for await (const result of client.iterate({ query })) {
  console.log(JSON.stringify(result));
  heard += 1;
  if (heard === Number(most)) break;
}
client.dispose();
