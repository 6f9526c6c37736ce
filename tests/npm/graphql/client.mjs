// Calls the app of tests/menagerie.py with graphql-request: `node client.mjs URL` prints what came back as JSON.
import { ClientError, GraphQLClient, gql } from "graphql-request";

const client = new GraphQLClient(process.argv[2]);
const keeper = new GraphQLClient(process.argv[2], { headers: { authorization: "Bearer keeper" } });

async function failure(promise) {
  try {
    return { unexpected: await promise };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const { status, errors } = error.response;
    return { status, code: errors[0].extensions.code, kind: errors[0].extensions.kind, path: errors[0].path };
  }
}

const Bats = gql`
  query Bats($diet: Diet, $first: Int!) {
    bats(diet: $diet, first: $first) { edges { node { id name diet wings { span } } } }
  }
`;
const Adopt = gql`
  mutation Adopt($name: String!, $wings: [WingInput!]!) { adopt(name: $name, wings: $wings) { id name wings { span } } }
`;

console.log(JSON.stringify({
  query: await client.request("{ bat(id: 1) { id name } }"),
  variables: await client.request(Bats, { diet: "insects", first: 2 }),
  mutation: await client.request(Adopt, { name: "Batrick", wings: [{ span: 0.5 }] }),
  declared: await failure(client.request("{ bat(id: 77) { id } }")),
  stranger: await failure(client.request("{ whoami }")),
  user: await keeper.request("{ whoami }"),
  bug: await failure(client.request("{ broken }")),
  invalid: await failure(client.request("{ bat(id: 1) { feathers } }")),
}));
