// Sends a file beside a mutation as the GraphQL multipart request specification has it: `node upload.mjs URL`.
import { gql } from "graphql-request";

const query = gql`mutation Portrait($photo: Upload!) { portrait(photo: $photo, title: "Bat") }`;
const form = new FormData();
form.append("operations", JSON.stringify({ query, variables: { photo: null } }));
form.append("map", JSON.stringify({ 0: ["variables.photo"] }));
form.append("0", new File(["squeak"], "bat.png", { type: "image/png" }));

const answer = await fetch(process.argv[2], { method: "POST", body: form, headers: { "GraphQL-Preflight": "1" } });
console.log(JSON.stringify(await answer.json()));
