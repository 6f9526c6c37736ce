// Calls methods as the arguments say, and prints one line of JSON for each.
import { credentials, Metadata, status } from "@grpc/grpc-js";

const loose = { longs: String, enums: String, bytes: String, defaults: false, oneofs: false };

export const options = { keepCase: true, ...loose };

export async function run(service, address, calls) {
  const client = new service(address, credentials.createInsecure());
  for (const [method, request, headers] of calls) {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers ?? {})) metadata.set(name, value);
    const answer = await (client[method].responseStream ? many : one)(client, method, request, metadata);
    console.log(JSON.stringify(answer));
  }
  client.close();
}

function one(client, method, request, metadata) {
  return new Promise((resolve) =>
    client[method](request, metadata, (error, answer) => resolve(error ? told(error) : { answer })),
  );
}

function many(client, method, request, metadata) {
  return new Promise((resolve) => {
    const items = [];
    client[method](request, metadata)
      .on("data", (item) => items.push(item))
      .on("error", (error) => resolve({ items, ...told(error) }))
      .on("end", () => resolve({ items }));
  });
}

const told = (error) => ({
  code: status[error.code],
  details: error.details,
  status: error.metadata?.get("grpc-status-details-bin")[0]?.toString("base64"),
});
