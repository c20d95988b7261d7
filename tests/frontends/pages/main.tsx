// Shows the front end that the address names: ?page=use-chat&api=/chat
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

const address = new URLSearchParams(location.search);
const { Chat } = await import(`./fronts/${address.get("page")}.tsx`);

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Chat api={address.get("api")!} />
  </StrictMode>,
);
