"""The public Python interface; `import factory_sim as fs` exports its names."""
