from culturepark.cli.main import main

main()
