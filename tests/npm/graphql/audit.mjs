// Runs the audit of GraphQL over HTTP against a server: `node audit.mjs URL` prints what it found, one line of JSON each.
import { auditServer } from "graphql-http";

for (const { id, name, status, reason } of await auditServer({ url: process.argv[2] })) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
