// Only for Vite's development server.
export default { server: { proxy: { "/api": "http://127.0.0.1:8000" } } };
