// Finds out by reflection what a server has, and calls it: node reflect.mjs ADDRESS SERVICE CALLS
import { credentials } from "@grpc/grpc-js";
import { GrpcReflection } from "grpc-js-reflection-client";
import { options, run } from "./calls.mjs";

const [address, name, calls] = process.argv.slice(2);
const reflection = new GrpcReflection(address, credentials.createInsecure());
console.log(JSON.stringify(await reflection.listServices()));
const descriptor = await reflection.getDescriptorBySymbol(name);
const service = name.split(".").reduce((at, part) => at[part], descriptor.getPackageObject(options));
await run(service, address, JSON.parse(calls));
