// Each line marked `wrong` must not type-check, and no other line may fail.
import createClient from "openapi-fetch";
import type { paths as Hello } from "./hello.js";
import type { paths as Menagerie } from "./menagerie.js";

const hello = createClient<Hello>({ baseUrl: "" });
const bats = createClient<Menagerie>({ baseUrl: "" });

await hello.GET("/greet", { params: { query: { name: 7 } } }); // wrong: a number for a text
await hello.GET("/greet", { params: { query: { title: "Bat" } } }); // wrong: there is no such parameter
await hello.GET("/greets"); // wrong: there is no such path
await hello.POST("/greet"); // wrong: there is no such method

await bats.GET("/bats/{id}"); // wrong: the id is missing
await bats.GET("/bats/{id}", { params: { path: { id: 7 } } }); // wrong: an id is text in JSON
await bats.GET("/bats", { params: { query: { diet: "plankton" } } }); // wrong: no such member of the enum
await bats.POST("/bats", { body: { diet: "fruit" } }); // wrong: the name is missing
await bats.POST("/bats", { body: { name: ["Bat"] } }); // wrong: a list for a text
await bats.POST("/bats", { body: { name: "Bat", wings: [{ span: "wide" }] } }); // wrong: text for a number

const found = await bats.GET("/bats/{id}", { params: { path: { id: "7" } } });
const sum: number = found.data!.id; // wrong: an id is text
const name: string = found.data.name; // wrong: there may be no answer
const feathers = found.data!.feathers; // wrong: there is no such field
const born: string = found.data!.born!; // right
