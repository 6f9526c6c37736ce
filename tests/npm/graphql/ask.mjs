// Runs one operation with graphql-request: `node ask.mjs URL QUERY [VARIABLES]` prints its data as JSON.
import { request } from "graphql-request";

const [, , url, query, variables = "{}"] = process.argv;
console.log(JSON.stringify(await request(url, query, JSON.parse(variables))));
