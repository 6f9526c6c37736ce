// Calls a server by a .proto file: node proto.mjs ADDRESS FILE SERVICE CALLS
import { loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { options, run } from "./calls.mjs";

const [address, file, name, calls] = process.argv.slice(2);
const service = name.split(".").reduce((at, part) => at[part], loadPackageDefinition(loadSync(file, options)));
await run(service, address, JSON.parse(calls));
